// A picture whose columns lie on the ranks of a group, from left to right.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/group.h"
#include "parallel/share.h"

namespace ovi::parallel {

/// Frames are [T, H, W, C], contiguous; columns are divided as those of the latents are, whatever
/// the frames have grown to. Without a group nothing is done, and nothing copied.
class Columns {
 public:
  /// All of them here.
  Columns() = default;
  /// `width` columns of latents on the ranks of `group`, which may be null: all here. Of more ranks
  /// than columns the last ones have none.
  Columns(std::shared_ptr<Group> group, int64_t width);

  bool whole() const { return !group_ && !none_; }
  /// Nothing is to be done here, and nothing below may be called.
  bool none() const { return none_; }

  /// This rank's columns of x [T, H, W, C], W a multiple of the latents' width.
  at::Tensor own(const at::Tensor& x) const;
  /// own frames with one column of each neighbour beside them, which a kernel of 3 looks at.
  at::Tensor with_neighbours(const at::Tensor& own) const;
  /// Frames without `columns` columns at each side where a neighbour is.
  at::Tensor without_neighbours(const at::Tensor& x, int64_t columns = 1) const;
  /// own frames of all ranks, side by side, on rank 0; undefined on the others.
  at::Tensor collect(const at::Tensor& own) const;

 private:
  std::shared_ptr<Group> group_;
  int64_t width_ = 0;  // of the latents
  std::vector<Share> columns_;
  size_t rank_ = 0;
  bool none_ = false;
  bool left_ = false, right_ = false;  // whether there is a neighbour
};

}  // namespace ovi::parallel
