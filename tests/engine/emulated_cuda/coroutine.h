// Functions that stop in their middle and go on later, on one thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulated_cuda {

/// Begins at the first resume(), and must never return. Used by one thread at a time.
class Coroutine {
 public:
  explicit Coroutine(void (*body)());
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  void resume();        // returns when the coroutine leaves
  void leave();         // from within; returns when it is resumed
  static void begun();  // to be called first by `body`

 private:
#if defined(__x86_64__)
  using Place = void*;  // the stack's top, with the registers that calls preserve
#else
  using Place = ucontext_t;
#endif
  static void go(Place& from, Place& to);

  static Coroutine* running;
  static constexpr size_t kStack = size_t{128} << 10;

  std::unique_ptr<char[]> stack_;
  Place here_{}, home_{};
  // AddressSanitizer's, of the one that does not run.
  void* shadow_ = nullptr;
  const void* home_stack_ = nullptr;
  size_t home_bytes_ = 0;
};

}  // namespace emulated_cuda
