// A feed-forward network's activation, as 8-bit floats for its second matrix product.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/float8_rows.h"

namespace ovi::kernels {

/// gelu(x), tanh form (Hendrycks and Gimpel 2016), of contiguous x [L, D], quantised row
/// by row without rounding in between.
Float8Rows gelu_float8(const at::Tensor& x);

/// With ATen's operations: what runs on the CPU and without libovii2v-cuda.
namespace twin {
Float8Rows gelu_float8(const at::Tensor& x);
}

/// The GPU kernel's body on the host, for tests.
namespace host {
Float8Rows gelu_float8(const at::Tensor& x);
}

}  // namespace ovi::kernels
