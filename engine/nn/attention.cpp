// SPDX-License-Identifier: Apache-2.0
#include "nn/attention.h"

#include <ATen/ops/scaled_dot_product_attention.h>

namespace ovi::nn {
namespace {

// The kernels take [1, heads, L, d] as a strided view: nothing is copied.
at::Tensor heads_first(const at::Tensor& x) { return x.unsqueeze(0).transpose(1, 2); }

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& bias, std::optional<double> scale) {
  std::optional<at::Tensor> mask;
  if (bias) mask = bias->unsqueeze(0);
  const at::Tensor out = at::scaled_dot_product_attention(heads_first(q), heads_first(k),
                                                          heads_first(v), mask, 0.0, false, scale);
  return out.squeeze(0).transpose(0, 1).flatten(1);
}

}  // namespace ovi::nn
