// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "kernels/layer_norm.h"
#include "nn/activations.h"
#include "nn/modulation.h"
#include "nn/rope.h"
#include "weights/weights.h"

namespace ovi::nn {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimension (Ba et al.
/// 2016); without weights when made from a dimension alone.
class LayerNorm {
 public:
  LayerNorm() = default;
  explicit LayerNorm(int64_t dim, double eps = 1e-6) : dim_(dim), eps_(eps) {}
  LayerNorm(const Weights& weights, int64_t dim, double eps = 1e-6);

  /// Of x [..., D]; of x [L, D] in the format that the next layer takes.
  at::Tensor operator()(const at::Tensor& x) const;
  Activations operator()(const at::Tensor& x, RowFormat format) const;

  /// norm(x) (1 + scale) + shift of x [L, D], for a norm without weights; scale and shift
  /// [time rows, D].
  Activations modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale,
                        TimeRows rows, RowFormat format = RowFormat::kPlain) const;

  /// x += y, in place; then modulated(x).
  Activations add_and_modulate_(at::Tensor x, const at::Tensor& y, const at::Tensor& shift,
                                const at::Tensor& scale, TimeRows rows,
                                RowFormat format = RowFormat::kPlain) const;

  /// x [L, D] += y * gate, in place, gate [time rows, D]; then this norm of x and `other`'s, in one
  /// pass over x on a GPU where both give one format.
  std::pair<Activations, Activations> add_gated_and_both_(at::Tensor x, const at::Tensor& y,
                                                          const at::Tensor& gate, TimeRows rows,
                                                          RowFormat format, const LayerNorm& other,
                                                          RowFormat other_format) const;

 private:
  Activations scaled(const at::Tensor& x, const kernels::RowScale& scale, RowFormat format) const;

  at::Tensor weight_, bias_;
  int64_t dim_ = 0;
  double eps_ = 1e-6;
};

/// x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich
/// 2019); the mean is taken in float32 whatever x is.
class RmsNorm {
 public:
  RmsNorm() = default;
  RmsNorm(const Weights& weights, int64_t dim, double eps = 1e-6);

  at::Tensor operator()(const at::Tensor& x) const;

  /// norm(x) of x [L, heads * d] as [L, heads, d]; with a table turned by rope().
  at::Tensor heads(const at::Tensor& x, int64_t heads) const;
  at::Tensor heads(const at::Tensor& x, int64_t heads, const RopeTable& table) const;
  /// Both of one x.
  struct TurnedAndPlain {
    at::Tensor turned, plain;
  };
  TurnedAndPlain heads_both(const at::Tensor& x, int64_t heads, const RopeTable& table) const;

 private:
  at::Tensor weight_;
  double eps_ = 1e-6;
};

}  // namespace ovi::nn
