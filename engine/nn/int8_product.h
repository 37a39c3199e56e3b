// The product of rows with a matrix of 8-bit integers, where a device has one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace ovi::nn {

/// x W^T + bias in x's dtype. x [L, K], float32 or bfloat16, becomes 8-bit integers with a factor
/// for each row (its largest magnitude becomes 127); W int8 [N, K], K and N multiples of 8, with
/// the factors [1, N], float32; bias [N] or undefined. A few rows at a time: their sums are
/// 32-bit integers.
at::Tensor int8_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& w_factors,
                        const at::Tensor& bias);

/// Whether the device multiplies so, and right: tried once in a process with a small product.
/// Synchronises at the first call.
bool has_int8_product(const c10::Device& device);

}  // namespace ovi::nn
