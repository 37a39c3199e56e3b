// Adaptive layer norm modulation (DiT, Peebles and Xie 2023, section 3.2) for
// sequences that hold few distinct timesteps.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/time_rows.h"

namespace ovi::nn {

using kernels::TimeRows;

/// x [L, D] <- x * (1 + scale) + shift, in place; scale and shift [rows, D].
void modulate_(at::Tensor x, const at::Tensor& shift, const at::Tensor& scale, TimeRows rows);

/// x [L, D] <- x + y * gate, in place; gate [rows, D].
void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows);

}  // namespace ovi::nn
