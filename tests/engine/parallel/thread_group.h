// Ranks that are threads of one process: what they compute is proven without sockets, and what
// they hand to one another is counted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parallel/group.h"
#include "runtime/device.h"
#include "runtime/error.h"

namespace ovi::test {

/// Where the threads of one group meet.
class MeetingPlace {
 public:
  explicit MeetingPlace(int64_t size) : handed(static_cast<size_t>(size)), size_(size) {}

  /// Returns once all have come; throws where one of them never will.
  void meet() {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t round = round_;
    if (++here_ == size_) {
      here_ = 0;
      ++round_;
      changed_.notify_all();
    }
    const bool all =
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return round_ != round || gone_; });
    if (round_ == round) {
      throw Error(ErrorKind::kFailed, all ? "Another rank is gone." : "A rank did not come.");
    }
  }
  /// One of them failed.
  void leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    gone_ = true;
    changed_.notify_all();
    for (const auto& [ranks, part] : parts_) part->leave();
  }
  std::shared_ptr<MeetingPlace> part(const std::vector<int64_t>& ranks) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& place = parts_[ranks];
    if (!place) place = std::make_shared<MeetingPlace>(static_cast<int64_t>(ranks.size()));
    return place;
  }

  struct Handed {
    at::Tensor tensor;
    std::vector<int64_t> rows;
    std::string call;
  };
  std::vector<Handed> handed;  // by each rank

 private:
  const int64_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t here_ = 0, round_ = 0;
  bool gone_ = false;
  std::map<std::vector<int64_t>, std::shared_ptr<MeetingPlace>> parts_;
};

class ThreadGroup final : public parallel::Group {
 public:
  ThreadGroup(std::shared_ptr<MeetingPlace> place, int64_t rank, int64_t size,
              std::shared_ptr<int64_t> bytes = std::make_shared<int64_t>(0))
      : place_(std::move(place)), rank_(rank), size_(size), bytes_(std::move(bytes)) {}

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  /// With what its parts sent.
  int64_t bytes_sent() const override { return *bytes_; }

  void all_to_all(at::Tensor& received, const at::Tensor& sent,
                  const std::vector<int64_t>& received_rows,
                  const std::vector<int64_t>& sent_rows) override {
    ASSERT_TRUE(received.is_contiguous() && sent.is_contiguous());
    ASSERT_EQ(static_cast<int64_t>(received_rows.size()), size_);
    ASSERT_EQ(static_cast<int64_t>(sent_rows.size()), size_);
    const int64_t row_bytes =
        sent.size(0) > 0 ? static_cast<int64_t>(sent.nbytes()) / sent.size(0) : 0;
    int64_t all_sent = 0, all_received = 0;
    for (int64_t r = 0; r < size_; ++r) {
      if (r != rank_) *bytes_ += sent_rows[r] * row_bytes;
      all_sent += sent_rows[r];
      all_received += received_rows[r];
    }
    ASSERT_EQ(all_sent, sent.size(0));
    ASSERT_EQ(all_received, received.size(0));
    hand_over("all_to_all", sent, sent_rows, [&] {
      int64_t to = 0;
      for (int64_t r = 0; r < size_; ++r) {
        const auto& other = place_->handed[r];
        int64_t from = 0;
        for (int64_t i = 0; i < rank_; ++i) from += other.rows[i];
        ASSERT_EQ(other.rows[rank_], received_rows[r]) << "rank " << r << " to " << rank_;
        if (received_rows[r] > 0) {
          received.narrow(0, to, received_rows[r])
              .copy_(other.tensor.narrow(0, from, received_rows[r]));
        }
        to += received_rows[r];
      }
    });
  }
  void all_gather(at::Tensor& all, const at::Tensor& own) override {
    ASSERT_TRUE(all.is_contiguous() && own.is_contiguous());
    *bytes_ += (size_ - 1) * static_cast<int64_t>(own.nbytes());
    hand_over("all_gather", own, {}, [&] {
      for (int64_t r = 0; r < size_; ++r) {
        const at::Tensor& other = place_->handed[r].tensor;
        ASSERT_EQ(other.sizes(), own.sizes());
        ASSERT_EQ(other.scalar_type(), own.scalar_type());
        all[r].copy_(other);
      }
    });
  }
  void broadcast(at::Tensor& tensor, int64_t from) override {
    ASSERT_TRUE(tensor.is_contiguous());
    if (from == rank_) *bytes_ += (size_ - 1) * static_cast<int64_t>(tensor.nbytes());
    hand_over("broadcast " + std::to_string(from), tensor, {}, [&] {
      const at::Tensor& other = place_->handed[from].tensor;
      ASSERT_EQ(other.sizes(), tensor.sizes());
      ASSERT_EQ(other.scalar_type(), tensor.scalar_type());
      if (from != rank_) tensor.copy_(other);
    });
  }
  std::shared_ptr<parallel::Group> part(const std::vector<int64_t>& ranks) override {
    for (size_t i = 0; i < ranks.size(); ++i) {
      if (ranks[i] != rank_) continue;
      return std::make_shared<ThreadGroup>(place_->part(ranks), static_cast<int64_t>(i),
                                           static_cast<int64_t>(ranks.size()), bytes_);
    }
    return nullptr;
  }

 private:
  // Others read what is handed over between the two meetings.
  void hand_over(const std::string& call, const at::Tensor& tensor, std::vector<int64_t> rows,
                 const std::function<void()>& take) {
    synchronize(tensor.device());
    place_->handed[rank_] = {tensor, std::move(rows), call};
    place_->meet();
    for (const auto& other : place_->handed) ASSERT_EQ(other.call, call);
    take();
    synchronize(tensor.device());
    place_->meet();
    place_->handed[rank_].tensor.reset();
  }

  std::shared_ptr<MeetingPlace> place_;
  int64_t rank_, size_;
  std::shared_ptr<int64_t> bytes_;
};

/// Runs `work` on `ranks` threads, one a rank. Throws what the first one to fail threw.
inline void on_ranks(int64_t ranks,
                     const std::function<void(const std::shared_ptr<parallel::Group>&)>& work) {
  const auto place = std::make_shared<MeetingPlace>(ranks);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const c10::InferenceMode inference;
      try {
        work(std::make_shared<ThreadGroup>(place, rank, ranks));
      } catch (...) {
        {
          const std::lock_guard<std::mutex> lock(mutex);
          if (!first) first = std::current_exception();
        }
        place->leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace ovi::test
