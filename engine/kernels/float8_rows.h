// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace ovi::kernels {

/// Rows as 8-bit floats, for a matrix product with a factor for each row (what
/// at::_scaled_mm takes as its first operand and that operand's scale).
struct Float8Rows {
  at::Tensor values;   // Float8_e4m3fn [L, D]
  at::Tensor factors;  // float32 [L, 1]: row = values * factor; the largest |value| is 448
};

/// Space for [L, D].
Float8Rows empty_float8_rows(const at::Tensor& like);

namespace twin {
/// float32 [L, D] -> 8-bit rows; the factor of a row of zeros is 1.
Float8Rows to_float8(const at::Tensor& rows);
}  // namespace twin

}  // namespace ovi::kernels
