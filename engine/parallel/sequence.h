// A sequence of tokens whose rows lie on the ranks of a group (DeepSpeed-Ulysses, arXiv
// 2309.14509): each works on its rows, and for attention over all of them on its heads.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/group.h"
#include "parallel/share.h"

namespace ovi::parallel {

class Sequence {
 public:
  /// Of `length` tokens, all here.
  explicit Sequence(int64_t length = 0) : Sequence(nullptr, length) {}
  /// A run of rows on each rank of `group`, which may be null: all here.
  Sequence(std::shared_ptr<Group> group, int64_t length);

  bool whole() const { return group_ == nullptr; }
  int64_t length() const { return length_; }
  /// The rows of each rank, in the order of the ranks, and of this one.
  const std::vector<Share>& rows() const { return rows_; }
  const Share& own() const { return rows_[rank_]; }

  /// This rank's rows of x [length, ...]: a view.
  at::Tensor own_rows(const at::Tensor& x) const;

  /// All rows of this rank's heads, [length, own heads, d] each; a rank may have none.
  struct Heads {
    at::Tensor q, k, v;
  };
  /// Queries, keys and values of this rank's rows, [own, heads, d] each, in one exchange.
  Heads to_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const;
  /// The way back: [length, own heads * d] of `heads` heads of size d -> [own, heads * d].
  at::Tensor to_rows(const at::Tensor& x, int64_t heads, int64_t head_dim) const;

  /// What each rank has, [ranks, ...]; `own` is of one size on all.
  at::Tensor gather(const at::Tensor& own) const;

 private:
  int64_t ranks() const { return static_cast<int64_t>(rows_.size()); }

  std::shared_ptr<Group> group_;
  int64_t length_;
  std::vector<Share> rows_;
  size_t rank_ = 0;
};

}  // namespace ovi::parallel
