// The engine's side of libovii2v-cuda: opened when the first tensor on a GPU asks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <string>

#include "kernels/launch.h"
#include "kernels/portable.cuh"

namespace ovi::kernels {

struct CudaKernels {
  const CudaTable* table = nullptr;
  std::string why;  // what went wrong, when table is null
};

/// Opens the library at `path`; it stays open. Fails when the library is of another
/// build than the engine.
CudaKernels open_cuda_kernels(const std::string& path);

/// The library beside the engine, opened once a process; without a table or a reason when
/// OVI_FUSED_KERNELS=0 turns it off.
const CudaKernels& cuda_kernels();

enum class Kernel {
  kChannelNorm,
  kFloat8Rows,
  kGatedAdd,
  kLayerNorm,
  kPackPixels,
  kRmsNormRope,
  kSnake,
};
inline constexpr Kernel kAllKernels[] = {
    Kernel::kChannelNorm, Kernel::kFloat8Rows,  Kernel::kGatedAdd, Kernel::kLayerNorm,
    Kernel::kPackPixels,  Kernel::kRmsNormRope, Kernel::kSnake};
const char* name_of(Kernel kernel);

/// The table for work of a kernel on `x`; null when x is on the CPU, when the library cannot
/// be opened (which is said once: the twins compute the same, slower), when x is of an
/// element type the kernels do not know, or when the kernel is wrong on that device.
const CudaTable* cuda_table_for(const at::Tensor& x, Kernel kernel);

bool has_kernel_type(const at::Tensor& x);  // float32 or bfloat16
Element element_of(const at::Tensor& x);

/// Every row of the given contiguous tensors [..., dim] starts on 16 bytes. Undefined
/// tensors count as aligned.
bool rows_aligned(std::initializer_list<at::Tensor> tensors);
/// The same for the rows of `vectors` [rows, dim], dense along dim alone.
bool vectors_aligned(const at::Tensor& vectors);

/// The device's current stream, where work on x belongs, with the device selected.
void* cuda_stream_of(const CudaTable& table, const at::Tensor& x);

/// Throws Error(kFailed) unless `error` is 0.
void check_launch(const CudaTable& table, int error, const char* kernel);

/// Starts a kernel on the device of `x`.
template <typename Args>
void run_on_cuda(const CudaTable& table, int (*launch)(const Args&, void*), const Args& args,
                 const at::Tensor& x, Kernel kernel) {
  check_launch(table, launch(args, cuda_stream_of(table, x)), name_of(kernel));
}

}  // namespace ovi::kernels
