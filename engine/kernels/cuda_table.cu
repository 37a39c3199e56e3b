// The one symbol that libovii2v-cuda exports.
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include "kernels/launch.h"

namespace ovi::kernels {
namespace {

int use_device(int device) {
  int current = -1;
  if (cudaGetDevice(&current) == cudaSuccess && current == device) return cudaSuccess;
  return cudaSetDevice(device);
}

const char* describe(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

constexpr CudaTable kTable = {
    kCudaTableVersion,   sizeof(CudaTable),  use_device,           describe,
    launch_layer_norm,   launch_gated_add,   launch_rms_norm_rope, launch_channel_norm,
    launch_pack_pixels,  launch_snake,       launch_float8_rows,
};

}  // namespace
}  // namespace ovi::kernels

extern "C" __attribute__((visibility("default"))) const ovi::kernels::CudaTable*
ovii2v_cuda_table() {
  return &ovi::kernels::kTable;
}
