// Fused kernels against what LibTorch computes in their place.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <nlohmann/json.hpp>

#include "kernels/kernel_cases.h"

namespace ovi::bench {

/// Runs each kernel and its twin, in bfloat16 and float32. Of each: the fastest of `runs`
/// in seconds, GB/s of what must be read and written, and the largest difference between
/// the two with what is allowed. On a CPU the kernel is its body compiled for the host, in
/// one thread. Throws Error(kFailed) when a GPU has none of them, with the reason.
nlohmann::json measure_kernels(const c10::Device& device, const kernels::CaseSize& size, int runs);
void print_kernels(const nlohmann::json& measured);

/// True when every kernel computed what its twin did.
bool all_right(const nlohmann::json& measured);

}  // namespace ovi::bench
