// Which device computes, in which precision, and what it may say about itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>

namespace ovi {

/// "auto" (or empty), "cpu", "cuda", "cuda:N" -> a device that is there. auto is
/// the first CUDA device, or the CPU. Throws Error kSettings (unknown name),
/// kNotFound (no such device) or kLibraryInit (a GPU is there, but LibTorch's CUDA
/// library cannot be opened).
c10::Device find_device(const std::string& name);

enum class Precision { kAuto, kFp32, kBf16 };

/// kAuto: bfloat16 on a GPU, float32 on the CPU.
c10::ScalarType dtype_of(Precision precision, const c10::Device& device);
std::string precision_name(c10::ScalarType dtype);  // "fp32", "bf16"

/// A fresh random generator of the device, seeded.
at::Generator make_generator(const c10::Device& device, uint64_t seed);

/// Waits until the device has done what it was given (nothing on a CPU): for
/// timings at the ends of stages, never inside the step loop.
void synchronize(const c10::Device& device);

/// Highest bytes LibTorch held on the device since reset_peak_memory; 0 on a CPU.
uint64_t peak_device_bytes(const c10::Device& device);
void reset_peak_memory(const c10::Device& device);

/// Highest resident set of this process so far.
uint64_t peak_host_bytes();

}  // namespace ovi
