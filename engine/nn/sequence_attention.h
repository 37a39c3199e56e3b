// Attention over tokens whose rows lie on several ranks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/sequence.h"

namespace ovi::nn {

/// attention(q, k, v) of one sequence with itself: q, k and v [own rows, heads, d] -> [own rows,
/// heads * d]. Each head is computed whole on one rank (DeepSpeed-Ulysses, arXiv 2309.14509), so
/// its sums are those of one device.
at::Tensor self_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const parallel::Sequence& sequence);

/// attention(q, k, v) of queries that every rank has, [Lq, heads, d], over keys and values of
/// which each has its rows, [own rows, heads, d]; the result, [Lq, heads * d], is the same on all.
/// Keys stay where they are: each rank's softmax is merged with the others' by its log-sum-exp
/// (Rabe and Staats, arXiv 2112.05682, section 3).
at::Tensor attention_over(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const parallel::Sequence& keys);

}  // namespace ovi::nn
