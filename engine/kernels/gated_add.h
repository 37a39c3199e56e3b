// The gated residual connection of adaLN (DiT, Peebles and Xie 2023, section 3.2).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/time_rows.h"

namespace ovi::kernels {

/// x [L, D] <- x + y * gate, in place; gate [time rows, D] or undefined: 1. Computed in
/// float32 and rounded once.
void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows);

/// With ATen's operations: what runs on the CPU and without libovii2v-cuda.
namespace twin {
void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows);
}

/// The GPU kernel's body on the host, for tests.
namespace host {
void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows);
}

}  // namespace ovi::kernels
