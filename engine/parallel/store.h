// Where ranks leave word for each other: values by key, which all of them see.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/cancel.h"

namespace ovi::parallel {

/// Any thread. A store that is gone, or does not answer within a few seconds, is an
/// Error(kFailed), at once where it was found so before.
class Store {
 public:
  virtual ~Store() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  /// Does not wait for it.
  virtual std::optional<std::string> look(const std::string& key) = 0;
  /// Sets it unless it is there; what is there then.
  virtual std::string settle(const std::string& key, const std::string& value) = 0;
  /// To a number that begins with 0; the sum.
  virtual int64_t add(const std::string& key, int64_t number) = 0;
  virtual void erase(const std::string& key) = 0;
};

/// For ranks of this process.
std::shared_ptr<Store> process_store();

/// For ranks of other processes, over TCP: at this rank (`port` 0: any free one, told in `port`).
/// Throws Error(kSettings) where the port is in use. It stays until the process ends.
std::shared_ptr<Store> serve_store(uint16_t& port);

/// The one that another rank serves, which is waited for that long. Throws Error(kRankGone), or
/// kCancelled soon after `cancel`, which may be null, is triggered.
std::shared_ptr<Store> reach_store(const std::string& host, uint16_t port,
                                   std::chrono::milliseconds patience,
                                   const Cancel* cancel = nullptr);

}  // namespace ovi::parallel
