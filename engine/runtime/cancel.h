// The flag that travels up a generation: polled once per model block.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "runtime/error.h"

namespace ovi {

/// Set from any thread, read from the generating one.
class Cancel {
 public:
  void trigger() { triggered_.store(true, std::memory_order_relaxed); }
  void reset() { triggered_.store(false, std::memory_order_relaxed); }
  bool triggered() const { return triggered_.load(std::memory_order_relaxed); }

  /// Throws Error(kCancelled) once triggered.
  void check() const {
    if (triggered()) throw Error(ErrorKind::kCancelled, "Cancelled.");
  }

 private:
  std::atomic<bool> triggered_{false};
};

}  // namespace ovi
