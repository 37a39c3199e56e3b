// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "nn/attention_choice.h"

namespace ovi::nn {

/// softmax(q k^T * scale + bias) v for each head (Vaswani et al. 2017, section 3.2.1).
/// q [Lq, heads, d], k and v [Lk, heads, d]; bias [heads, Lq, Lk] or none; scale
/// is 1/sqrt(d) unless given. Returns [Lq, heads * d].
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& bias = std::nullopt,
                     std::optional<double> scale = std::nullopt);

/// The same without bias by one kernel, which may refuse by throwing: flash and cuDNN take
/// bfloat16 and heads of 8, 16, ..., 128 on a GPU alone.
at::Tensor attention_by(AttentionKernel kernel, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, std::optional<double> scale = std::nullopt);

/// attention() over some of the keys, and what it takes to merge it with that over the others.
struct PartialAttention {
  at::Tensor out;      // [Lq, heads * d]
  at::Tensor log_sum;  // float32 [heads, Lq]: log of the sum of e^(scale q k)
};
PartialAttention partial_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace ovi::nn
