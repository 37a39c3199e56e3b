// Where a model says which of its blocks it is at, so that their weights can be there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace ovi {

/// Brings the weights of a model's blocks to the device, block by block.
class BlockSchedule {
 public:
  virtual ~BlockSchedule() = default;
  /// What is then put on the current stream finds the block's weights. May throw what
  /// reading them throws.
  virtual void enter(int64_t block) = 0;
  /// What was put on the current stream so far is all that needs them.
  virtual void leave(int64_t block) noexcept = 0;
};

/// A model holds one and enters each block before it uses its weights; work on other
/// streams is forked after entering and joined before leaving. Empty: all weights are
/// there, and entering costs nothing.
class Residency {
 public:
  Residency() = default;
  explicit Residency(std::shared_ptr<BlockSchedule> schedule) : schedule_(std::move(schedule)) {}

  class Stay {
   public:
    Stay(BlockSchedule* schedule, int64_t block) : schedule_(schedule), block_(block) {
      if (schedule_) schedule_->enter(block_);
    }
    ~Stay() {
      if (schedule_) schedule_->leave(block_);
    }
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;

   private:
    BlockSchedule* schedule_;
    int64_t block_;
  };

  /// Leaves the block at the end of the scope.
  [[nodiscard]] Stay enter(int64_t block) const { return Stay(schedule_.get(), block); }

 private:
  std::shared_ptr<BlockSchedule> schedule_;
};

}  // namespace ovi
