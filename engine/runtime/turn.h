// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

#include "runtime/cancel.h"

namespace ovi {

/// A lock that is handed on in the order of asking, and whose wait can be cancelled:
/// users of one model take turns, and none waits for ever behind a busy one.
class Turn {
 public:
  /// Held from construction to destruction; throws Error(kCancelled) while waiting.
  class Holder {
   public:
    Holder(Turn& turn, const Cancel* cancel) : turn_(turn) { turn_.take(cancel); }
    ~Holder() { turn_.give_back(); }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   private:
    Turn& turn_;
  };

 private:
  void take(const Cancel* cancel) {
    constexpr auto kPoll = std::chrono::milliseconds(20);
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t ticket = next_ticket_++;
    waiting_.push_back(ticket);
    while (waiting_.front() != ticket) {
      changed_.wait_for(lock, kPoll);
      if (cancel && cancel->triggered()) {
        std::erase(waiting_, ticket);
        changed_.notify_all();
        cancel->check();
      }
    }
  }
  void give_back() {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.pop_front();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<uint64_t> waiting_;  // the first one holds the turn
  uint64_t next_ticket_ = 0;
};

}  // namespace ovi
