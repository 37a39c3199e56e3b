// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/activations.h"
#include "weights/weights.h"

namespace ovi::nn {

/// y = x W^T + b, of the size where a model spends its time: the weights' placement says
/// whether W is kept in their dtype or as 8-bit floats with a factor for each output. A file's own
/// 8-bit floats are then taken as they are, with its scales or with factors of 1, and so are its
/// 8-bit integers where the placement says that the device multiplies them.
class BigLinear {
 public:
  BigLinear() = default;
  /// Takes `weight` [out, in] and, where the file has one, `bias` [out].
  explicit BigLinear(const Weights& weights, int64_t out = kAny, int64_t in = kAny);

  /// What it is best given; it also takes plain rows.
  RowFormat takes() const {
    const bool float8 = factors_.defined() && weight_.scalar_type() == at::kFloat8_e4m3fn;
    return float8 ? RowFormat::kFloat8 : RowFormat::kPlain;
  }

  /// [L, in] -> [L, out], plain.
  at::Tensor operator()(const Activations& x) const;

  /// gelu(y), tanh form (Hendrycks and Gimpel 2016), in the format that `next` takes.
  Activations gelu(const Activations& x, const BigLinear& next) const;

  int64_t in_features() const { return weight_.size(1); }
  int64_t out_features() const { return weight_.size(0); }

 private:
  at::Tensor weight_;   // [out, in]
  at::Tensor factors_;  // float32 [1, out] of 8-bit values, else undefined
  at::Tensor bias_;
};

}  // namespace ovi::nn
