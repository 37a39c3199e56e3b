// What happens before and after each block of a model: its weights come and go.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

namespace ovi {

/// Brings the weights of a model's blocks to the device, block by block.
class BlockHooks {
 public:
  virtual ~BlockHooks() = default;
  /// What is then put on the current stream finds the block's weights. May throw what
  /// reading them throws.
  virtual void before(int64_t block) = 0;
  /// What was put on the current stream so far is all that needs them.
  virtual void after(int64_t block) noexcept = 0;
};

/// While it lives, a model computes with the weights of one block; work on other streams is
/// forked after it begins and joined before it ends. Without hooks all weights are there always,
/// and it costs nothing.
class BlockScope {
 public:
  BlockScope(const std::shared_ptr<BlockHooks>& hooks, int64_t block)
      : hooks_(hooks.get()), block_(block) {
    if (hooks_) hooks_->before(block_);
  }
  ~BlockScope() {
    if (hooks_) hooks_->after(block_);
  }
  BlockScope(const BlockScope&) = delete;
  BlockScope& operator=(const BlockScope&) = delete;

 private:
  BlockHooks* hooks_;
  int64_t block_;
};

}  // namespace ovi
