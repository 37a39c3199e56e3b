// SPDX-License-Identifier: Apache-2.0
#include "nn/norm.h"

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/rms_norm.h>


namespace ovi::nn {

LayerNorm::LayerNorm(const Weights& weights, int64_t dim, double eps)
    : weight_(weights.get("weight", {dim})),
      bias_(weights.get("bias", {dim})),
      dim_(dim),
      eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  const auto optional = [](const at::Tensor& t) {
    return t.defined() ? std::optional<at::Tensor>(t) : std::nullopt;
  };
  return at::layer_norm(x, {dim_}, optional(weight_), optional(bias_), eps_);
}

RmsNorm::RmsNorm(const Weights& weights, int64_t dim, double eps)
    : weight_(weights.get("weight", {dim})), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  return at::rms_norm(x, {weight_.size(0)}, weight_, eps_);
}

}  // namespace ovi::nn
