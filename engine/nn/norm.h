// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "weights/weights.h"

namespace ovi::nn {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimension (Ba et al.
/// 2016); without weights when made from a dimension alone.
class LayerNorm {
 public:
  LayerNorm() = default;
  explicit LayerNorm(int64_t dim, double eps = 1e-6) : dim_(dim), eps_(eps) {}
  LayerNorm(const Weights& weights, int64_t dim, double eps = 1e-6);

  at::Tensor operator()(const at::Tensor& x) const;

 private:
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

 private:
  at::Tensor weight_;
  double eps_ = 1e-6;
};

}  // namespace ovi::nn
