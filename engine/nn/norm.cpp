// SPDX-License-Identifier: Apache-2.0
#include "nn/norm.h"

#include <ATen/ops/rms_norm.h>

#include <utility>

#include "kernels/gated_add.h"
#include "kernels/layer_norm.h"
#include "kernels/rms_norm_rope.h"

namespace ovi::nn {

LayerNorm::LayerNorm(const Weights& weights, int64_t dim, double eps)
    : weight_(weights.get("weight", {dim})),
      bias_(weights.get("bias", {dim})),
      dim_(dim),
      eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return kernels::layer_norm(x, kernels::affine(weight_, bias_), eps_);
}

Activations LayerNorm::operator()(const at::Tensor& x, RowFormat format) const {
  return scaled(x, kernels::affine(weight_, bias_), format);
}

Activations LayerNorm::modulated(const at::Tensor& x, const at::Tensor& shift,
                                 const at::Tensor& scale, TimeRows rows, RowFormat format) const {
  return scaled(x, kernels::modulated(shift, scale, rows), format);
}

Activations LayerNorm::add_and_modulate_(at::Tensor x, const at::Tensor& y, const at::Tensor& shift,
                                         const at::Tensor& scale, TimeRows rows,
                                         RowFormat format) const {
  const kernels::RowScale by = kernels::modulated(shift, scale, rows);
  if (format == RowFormat::kFloat8)
    return kernels::add_gated_layer_norm_float8_(std::move(x), y, /*gate=*/{}, by, eps_);
  return kernels::add_gated_layer_norm_(std::move(x), y, /*gate=*/{}, by, eps_);
}

std::pair<Activations, Activations> LayerNorm::add_gated_and_both_(
    at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows, RowFormat format,
    const LayerNorm& other, RowFormat other_format) const {
  if (format != other_format || eps_ != other.eps_) {
    kernels::add_gated_(x, y, gate, rows);
    return {(*this)(x, format), other(x, other_format)};
  }
  const kernels::RowScale own = kernels::affine(weight_, bias_),
                          its = kernels::affine(other.weight_, other.bias_);
  if (format == RowFormat::kFloat8) {
    auto both =
        kernels::add_gated_layer_norms_float8_(std::move(x), y, gate, rows, own, its, eps_);
    return {std::move(both.first), std::move(both.second)};
  }
  auto both = kernels::add_gated_layer_norms_(std::move(x), y, gate, rows, own, its, eps_);
  return {std::move(both.first), std::move(both.second)};
}

Activations LayerNorm::scaled(const at::Tensor& x, const kernels::RowScale& scale,
                              RowFormat format) const {
  if (format == RowFormat::kFloat8) return kernels::layer_norm_float8(x, scale, eps_);
  return kernels::layer_norm(x, scale, eps_);
}

RmsNorm::RmsNorm(const Weights& weights, int64_t dim, double eps)
    : weight_(weights.get("weight", {dim})), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  return at::rms_norm(x, {weight_.size(0)}, weight_, eps_);
}

at::Tensor RmsNorm::heads(const at::Tensor& x, int64_t heads) const {
  return kernels::rms_norm_heads(x, weight_, eps_, heads);
}

at::Tensor RmsNorm::heads(const at::Tensor& x, int64_t heads, const RopeTable& table) const {
  return kernels::rms_norm_rope(x, weight_, eps_, heads, table.rotations);
}

RmsNorm::TurnedAndPlain RmsNorm::heads_both(const at::Tensor& x, int64_t heads,
                                            const RopeTable& table) const {
  const auto both =
      kernels::rms_norm_with_and_without_rope(x, weight_, eps_, heads, table.rotations);
  return {both.turned, both.plain};
}

}  // namespace ovi::nn
