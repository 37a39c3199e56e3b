// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <map>
#include <string>

#include "runtime/device.h"

namespace ovi::nn {

/// Makes the choices between LibTorch's ways to compute the layers on a device, which take
/// tries and synchronise: before a model is loaded, so that no step has to. Made once a
/// process and device; throws Error(kSettings) for an unknown OVI_ATTENTION. Logs them
/// (TORCH_CPP_LOG_LEVEL=INFO).
void prepare(const c10::Device& device, const Arithmetic& arithmetic);

/// One of several ways to compute the same, and why it was taken.
struct Choice {
  std::string taken, reason;
};
struct Choices {
  Choice attention, float8_product, gelu_epilogue;
  std::map<std::string, std::string> fused_kernels;  // kernels::known_kernel_states()
};
/// What was chosen on a device so far; nothing is tried.
Choices known_choices(const c10::Device& device);
/// The same in one sentence.
std::string in_words(const Choices& choices);

}  // namespace ovi::nn
