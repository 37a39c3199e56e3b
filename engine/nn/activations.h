// What large matrix products take.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "kernels/float8_rows.h"

namespace ovi::nn {

/// How a layer wants its rows: in the dtype of the stream, or as 8-bit floats with a factor
/// a row, which is best made by whatever produces them.
enum class RowFormat { kPlain, kFloat8 };

/// Rows [L, D] in one of the formats.
struct Activations {
  at::Tensor values;
  at::Tensor factors;  // float32 [L, 1], row = values * factor; undefined: plain

  Activations() = default;
  Activations(at::Tensor plain) : values(std::move(plain)) {}
  Activations(kernels::Float8Rows rows)
      : values(std::move(rows.values)), factors(std::move(rows.factors)) {}

  RowFormat format() const { return factors.defined() ? RowFormat::kFloat8 : RowFormat::kPlain; }
};

}  // namespace ovi::nn
