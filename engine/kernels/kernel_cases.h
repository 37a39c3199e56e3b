// Each fused kernel beside its twin on the same tensors: for the check at a GPU's first use,
// for the tests on the host and for the benchmark.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda_kernels.h"

namespace ovi::kernels {

/// Rows as long as the published checkpoints have them, and how many.
struct CaseSize {
  int64_t tokens = 0;   // of width 3072, and 14336 (bfloat16) within a feed-forward network
  int64_t pixels = 0;   // rows and columns of a frame; a multiple of 4
  int64_t samples = 0;  // of each channel of a sound
};
inline constexpr CaseSize kSmallCase = {70, 36, 1000};      // a moment on any device
inline constexpr CaseSize kRealCase = {15004, 704, 20096};  // a 720x720 clip of 5 s

struct KernelCase {
  Kernel kernel;
  std::string name;
  int64_t bytes = 0;  // that must be read and written, at least
  /// Compute the same from equal tensors, each on tensors of its own where it works in
  /// place. `fused`: the operation of a model on a GPU, the kernel's body on a CPU.
  std::function<std::vector<at::Tensor>()> fused, twin;
  double tolerance = 0;  // see largest_difference()
};

/// Of tensors made up on the device, of float32 or bfloat16 where a kernel has a choice.
std::vector<KernelCase> kernel_cases(const c10::Device& device, at::ScalarType dtype,
                                     const CaseSize& size);

/// The largest of |got - expected| / (|expected| + mean |expected|) over all elements of all
/// tensors; NaN where one of them is.
double largest_difference(const std::vector<at::Tensor>& got,
                          const std::vector<at::Tensor>& expected);

}  // namespace ovi::kernels
