// Rows as 8-bit floats with a factor each: what the fast matrix product of recent GPUs
// takes. A row's largest magnitude becomes 448, the largest there is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace ovi::kernels {

/// What at::_scaled_mm takes as its first operand and that operand's scale.
struct Float8Rows {
  at::Tensor values;   // Float8_e4m3fn [L, D]
  at::Tensor factors;  // float32 [L, 1]: row = values * factor; 1 for a row of zeros
};

/// Space for [L, D].
Float8Rows empty_float8_rows(const at::Tensor& like);

/// x [L, D], float32 or bfloat16, as 8-bit rows.
Float8Rows to_float8(const at::Tensor& x);

/// gelu(x), tanh form (Hendrycks and Gimpel 2016), without rounding in between: a
/// feed-forward network's activation for its second matrix product.
Float8Rows gelu_to_float8(const at::Tensor& x);

/// With ATen's operations: what runs on the CPU and without libovii2v-cuda.
namespace twin {
/// A few rows at a time: this many elements are in float32 at most, twice,
/// since those of all rows would be most of what a step needs.
constexpr int64_t kFloat8Slice = int64_t{1} << 24;
Float8Rows to_float8(const at::Tensor& x);
Float8Rows gelu_to_float8(const at::Tensor& x);
}  // namespace twin

/// The GPU kernel's body on the host, for tests. Throws std::length_error for rows that
/// are too long for the kernel.
namespace host {
Float8Rows to_float8(const at::Tensor& x);
Float8Rows gelu_to_float8(const at::Tensor& x);
}  // namespace host

}  // namespace ovi::kernels
