// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace ovi::nn {

/// True when at::_addmm_activation computes gelu(x W^T + b) of bfloat16 on this device in
/// one pass over the product, in the tanh form (on a CPU it is the erf form). Tried once in
/// a process, which synchronises.
bool has_gelu_epilogue(const c10::Device& device);

/// What was wrong with it on a device, empty when it is used; null when it was not tried.
const std::string* known_gelu_problem(const c10::Device& device);

}  // namespace ovi::nn
