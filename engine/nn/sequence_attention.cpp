// SPDX-License-Identifier: Apache-2.0
#include "nn/sequence_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include "nn/attention.h"

namespace ovi::nn {

at::Tensor self_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const parallel::Sequence& sequence) {
  if (sequence.whole()) return attention(q, k, v);
  const int64_t heads = q.size(1), dim = q.size(2);
  at::Tensor out;
  {
    const auto own = sequence.to_heads(q, k, v);
    // More ranks than heads: some have none.
    out = own.q.size(1) > 0 ? attention(own.q, own.k, own.v)
                            : at::empty({sequence.length(), 0}, q.options());
  }
  return sequence.to_rows(out, heads, dim);
}

at::Tensor attention_over(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const parallel::Sequence& keys) {
  if (keys.whole()) return attention(q, k, v);
  const int64_t heads = q.size(1), dim = q.size(2);
  const PartialAttention part = partial_attention(q, k, v);
  // One exchange: the float32 sums travel as bits of the results' type.
  const at::Tensor sums = part.log_sum.t().unsqueeze(2).contiguous().view(q.scalar_type());
  const at::Tensor all = keys.gather(at::cat({part.out.unflatten(1, {heads, dim}), sums}, 2));
  const at::Tensor log_sums = all.narrow(3, dim, sums.size(2)).contiguous().view(at::kFloat);
  const at::Tensor share = at::softmax(log_sums, 0);  // of each rank in the whole's denominator
  return (all.narrow(3, 0, dim) * share).sum(at::IntArrayRef{0}).to(q.scalar_type()).flatten(1);
}

}  // namespace ovi::nn
