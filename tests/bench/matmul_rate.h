// What a machine can do at best, to compare with what a clip got of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace ovi::bench {

/// Multiplications and additions (2 each) a second of LibTorch's product of two large square
/// matrices (8192 on a GPU, 1024 on a CPU); the fastest of a few.
double matmul_flops_per_second(const c10::Device& device, c10::ScalarType dtype);

}  // namespace ovi::bench
