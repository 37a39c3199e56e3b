// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "weights/weights.h"

namespace ovi::nn {

/// y = x W^T + b. Weight [out, in], bias [out] or none.
class Linear {
 public:
  Linear() = default;
  /// Takes `weight` and, where the file has one, `bias`.
  explicit Linear(const Weights& weights, int64_t out = kAny, int64_t in = kAny);

  /// [..., in] -> [..., out]
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t in_features() const { return weight_.size(1); }
  int64_t out_features() const { return weight_.size(0); }

 private:
  at::Tensor weight_, bias_;
};

}  // namespace ovi::nn
