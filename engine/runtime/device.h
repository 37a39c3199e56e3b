// Which device computes, in which precision, and what it may say about itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>

#include "runtime/cuda_driver.h"

namespace ovi {

/// "auto" (or empty), "cpu", "cuda", "cuda:N" -> a device that is there. auto is
/// the first CUDA device, or the CPU. Throws Error kSettings (unknown name),
/// kNotFound (no such device) or kLibraryInit (a GPU is there, but LibTorch's CUDA
/// library cannot be opened), whose way out is to set `without`. The first CUDA device found calls
/// set_up_cuda().
c10::Device find_device(const std::string& name, const std::string& without = "device=cpu");

/// Why GPUs that the NVIDIA driver has cannot be used, and what to do; empty when there are
/// none, or when they can.
std::string unusable_gpus();
/// The same for a LibTorch that is open and finds none of them; `needed` is its CUDA version.
std::string why_unusable(const CudaDriver& driver, int needed);

enum class Precision { kAuto, kFp32, kBf16, kFp8 };

/// In what the networks compute.
struct Arithmetic {
  at::ScalarType dtype = at::kFloat;  // of activations, and of weights but for:
  /// The transformer's large matrices and what is multiplied with them are 8-bit floats
  /// (e4m3), a factor a row.
  bool float8_matrices = false;

  Arithmetic() = default;
  Arithmetic(at::ScalarType type, bool float8 = false) : dtype(type), float8_matrices(float8) {}
};

/// kAuto: bfloat16 on a GPU, float32 on the CPU. kFp8: bfloat16 beside the 8-bit matrices.
/// Throws Error(kSettings) when the GPU has no 8-bit floats.
Arithmetic arithmetic_of(Precision precision, const c10::Device& device);
/// The check of it: `capability` 89 is 8.9; 0, unknown, passes.
void check_float8(int capability, const std::string& device);
std::string precision_name(const Arithmetic& arithmetic);  // "fp32", "bf16", "fp8"

/// How LibTorch computes on GPUs from now on, in the whole process. float32 is float32, in
/// matrix products and in convolutions, which it would round to TensorFloat-32's 10 bits.
/// OVI_CUDNN_BENCHMARK=1: cuDNN tries its convolutions for each new shape, which makes a
/// process's first clip slower and may make the following ones faster.
void set_up_cuda();

/// A fresh random generator of the device, seeded.
at::Generator make_generator(const c10::Device& device, uint64_t seed);

/// Waits until the device has done what it was given (nothing on a CPU): for
/// timings at the ends of stages, never inside the step loop.
void synchronize(const c10::Device& device);

/// Highest bytes LibTorch held on the device since reset_peak_memory; 0 on a CPU.
uint64_t peak_device_bytes(const c10::Device& device);
void reset_peak_memory(const c10::Device& device);

/// Bytes of memory. On a device (not a CPU) free is what this process can still get: what the
/// system has left, and what LibTorch holds without using it.
struct DeviceMemory {
  int64_t free = 0, total = 0;
};
DeviceMemory device_memory(const c10::Device& device);

/// Gives what LibTorch holds without using it back to the system; nothing on a CPU.
void release_unused_memory(const c10::Device& device);

/// Likewise page-locked memory of the host, which LibTorch keeps for its next use. Takes
/// milliseconds a GiB and may wait for the device.
void release_unused_pinned_memory(const c10::Device& device);

/// Host bytes, page-locked so that copies between them and `device` run beside the host
/// and the device's work. An undefined tensor where the system does not lock that much.
at::Tensor pinned_bytes(int64_t bytes, const c10::Device& device);

}  // namespace ovi
