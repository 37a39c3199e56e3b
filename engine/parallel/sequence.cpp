// SPDX-License-Identifier: Apache-2.0
#include "parallel/sequence.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <utility>

namespace ovi::parallel {

Sequence::Sequence(std::shared_ptr<Group> group, int64_t length)
    : group_(group && group->size() > 1 ? std::move(group) : nullptr),
      length_(length),
      rows_(shares(length, group_ ? group_->size() : 1)),
      rank_(static_cast<size_t>(group_ ? group_->rank() : 0)) {}

at::Tensor Sequence::own_rows(const at::Tensor& x) const {
  return whole() ? x : x.narrow(0, own().first, own().count);
}

// A row that is handed over is one head of one token.
Sequence::Heads Sequence::to_heads(const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v) const {
  if (whole()) return {q, k, v};
  constexpr int64_t kParts = 3;
  const int64_t heads = q.size(1), dim = q.size(2), mine = own().count;
  const std::vector<Share> of_heads = shares(heads, ranks());
  const int64_t own_heads = of_heads[rank_].count;
  at::Tensor sent = at::empty({heads, kParts, mine, dim}, q.options());
  int64_t part = 0;
  for (const at::Tensor* x : {&q, &k, &v}) sent.select(1, part++).copy_(x->transpose(0, 1));
  at::Tensor received = at::empty({own_heads * kParts * length_, dim}, q.options());
  std::vector<int64_t> sent_rows, received_rows;
  for (size_t rank = 0; rank < rows_.size(); ++rank) {
    sent_rows.push_back(of_heads[rank].count * kParts * mine);
    received_rows.push_back(own_heads * kParts * rows_[rank].count);
  }
  group_->all_to_all(received, sent.view({-1, dim}), received_rows, sent_rows);
  sent.reset();
  std::vector<at::Tensor> runs = received.split_with_sizes(received_rows);
  for (size_t rank = 0; rank < runs.size(); ++rank) {
    runs[rank] = runs[rank].view({own_heads, kParts, rows_[rank].count, dim});
  }
  const at::Tensor all = at::cat(runs, 2);  // [own heads, 3, length, d]
  const auto of = [&](int64_t i) { return all.select(1, i).transpose(0, 1); };
  return {of(0), of(1), of(2)};
}

at::Tensor Sequence::to_rows(const at::Tensor& x, int64_t heads, int64_t head_dim) const {
  if (whole()) return x;
  const int64_t mine = own().count;
  const std::vector<Share> of_heads = shares(heads, ranks());
  const int64_t own_heads = of_heads[rank_].count;
  at::Tensor received = at::empty({heads * mine, head_dim}, x.options());
  std::vector<int64_t> sent_rows, received_rows;
  for (size_t rank = 0; rank < rows_.size(); ++rank) {
    sent_rows.push_back(own_heads * rows_[rank].count);
    received_rows.push_back(of_heads[rank].count * mine);
  }
  group_->all_to_all(received, x.contiguous().view({own_heads * length_, head_dim}), received_rows,
                     sent_rows);
  std::vector<at::Tensor> runs = received.split_with_sizes(received_rows);
  for (size_t rank = 0; rank < runs.size(); ++rank) {
    runs[rank] = runs[rank].view({mine, of_heads[rank].count * head_dim});
  }
  return at::cat(runs, 1);
}

at::Tensor Sequence::gather(const at::Tensor& own) const {
  if (whole()) return own.unsqueeze(0);
  std::vector<int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), ranks());
  at::Tensor all = at::empty(shape, own.options());
  group_->all_gather(all, own.contiguous());
  return all;
}

}  // namespace ovi::parallel
