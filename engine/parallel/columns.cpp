// SPDX-License-Identifier: Apache-2.0
#include "parallel/columns.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <numeric>
#include <utility>

namespace ovi::parallel {
namespace {

constexpr int64_t kColumn = 2;  // the dimension

}  // namespace

Columns::Columns(std::shared_ptr<Group> group, int64_t width)
    : group_(group && group->size() > 1 ? std::move(group) : nullptr), width_(width) {
  if (!group_) return;
  if (group_->size() > width) {
    std::vector<int64_t> first(static_cast<size_t>(width));
    std::iota(first.begin(), first.end(), 0);
    group_ = group_->part(first);
    none_ = group_ == nullptr;
    if (none_) return;
  }
  columns_ = shares(width, group_->size());
  rank_ = static_cast<size_t>(group_->rank());
  left_ = rank_ > 0;
  right_ = rank_ + 1 < columns_.size();
}

at::Tensor Columns::own(const at::Tensor& x) const {
  if (whole()) return x;
  const int64_t scale = x.size(kColumn) / width_;
  return x.narrow(kColumn, columns_[rank_].first * scale, columns_[rank_].count * scale)
      .contiguous();
}

at::Tensor Columns::with_neighbours(const at::Tensor& own) const {
  if (whole()) return own;
  const int64_t frames = own.size(0), height = own.size(1), width = own.size(kColumn);
  const int64_t rows = frames * height;  // that a column has
  const int64_t sides = (left_ ? 1 : 0) + (right_ ? 1 : 0);
  at::Tensor sent = at::empty({sides, frames, height, own.size(3)}, own.options());
  at::Tensor received = at::empty_like(sent);
  std::vector<int64_t> traded(columns_.size(), 0);
  if (left_) {
    sent[0].copy_(own.select(kColumn, 0));
    traded[rank_ - 1] = rows;
  }
  if (right_) {
    sent[sides - 1].copy_(own.select(kColumn, width - 1));
    traded[rank_ + 1] = rows;
  }
  at::Tensor flat = received.view({sides * rows, own.size(3)});
  group_->all_to_all(flat, sent.view({sides * rows, own.size(3)}), traded, traded);
  std::vector<at::Tensor> parts;
  if (left_) parts.push_back(received[0].unsqueeze(kColumn));
  parts.push_back(own);
  if (right_) parts.push_back(received[sides - 1].unsqueeze(kColumn));
  return at::cat(parts, kColumn);
}

at::Tensor Columns::without_neighbours(const at::Tensor& x, int64_t columns) const {
  if (whole()) return x;
  const int64_t left = left_ ? columns : 0, right = right_ ? columns : 0;
  return x.narrow(kColumn, left, x.size(kColumn) - left - right).contiguous();
}

at::Tensor Columns::collect(const at::Tensor& own) const {
  if (whole()) return own;
  const int64_t frames = own.size(0), height = own.size(1), channels = own.size(3);
  const int64_t scale = own.size(kColumn) / columns_[rank_].count;
  const bool first = rank_ == 0;
  std::vector<int64_t> sent_rows(columns_.size(), 0), received_rows(columns_.size(), 0);
  sent_rows[0] = own.numel() / channels;
  int64_t all_rows = 0;
  for (size_t rank = 0; first && rank < columns_.size(); ++rank) {
    received_rows[rank] = frames * height * columns_[rank].count * scale;
    all_rows += received_rows[rank];
  }
  at::Tensor received = at::empty({all_rows, channels}, own.options());
  group_->all_to_all(received, own.contiguous().view({-1, channels}), received_rows, sent_rows);
  if (!first) return {};
  std::vector<at::Tensor> parts = received.split_with_sizes(received_rows);
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    parts[rank] = parts[rank].view({frames, height, columns_[rank].count * scale, channels});
  }
  return at::cat(parts, kColumn);
}

}  // namespace ovi::parallel
