// Are the fused kernels right on this GPU?
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <map>
#include <string>
#include <vector>

#include "kernels/kernel_cases.h"

namespace ovi::kernels {

/// Those kernels of `cases` that do not compute what their twins do, and how.
std::map<Kernel, std::string> faults_of(const std::vector<KernelCase>& cases);

/// True when the kernel does on this GPU what its twin does. All are tried at the device's
/// first question, with a few small tensors, which synchronises; a kernel that is wrong is
/// warned of, once, and not used in this process. Throws Error(kFailed) when one makes the
/// device unusable.
bool is_trusted(Kernel kernel, const c10::Device& device);

/// For each fused kernel "used", or why LibTorch's own take its place: as far as that is
/// known, nothing is tried. `faults` (null: not tried yet) are those of faults_of().
std::map<std::string, std::string> kernel_states(const CudaKernels& kernels,
                                                 const std::map<Kernel, std::string>* faults);
/// The same for a device.
std::map<std::string, std::string> known_kernel_states(const c10::Device& device);

/// Asks that first question, where a device is to use fused kernels at all.
void try_fused_kernels(const c10::Device& device);

}  // namespace ovi::kernels
