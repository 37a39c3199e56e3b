// The door of the CUDA library: what it can start, and the table that says so.
// Arguments and numbers are plain C, so that the engine and the library may be built by
// different compilers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovi::kernels {

struct GatedAddArgs;
struct LayerNormArgs;
struct RmsNormRopeArgs;
struct ChannelNormArgs;
struct PackPixelsArgs;
struct SnakeArgs;
struct Float8RowsArgs;

// Each starts a kernel on `stream` (a cudaStream_t) and returns a cudaError_t.
int launch_layer_norm(const LayerNormArgs& args, void* stream);
int launch_gated_add(const GatedAddArgs& args, void* stream);
int launch_rms_norm_rope(const RmsNormRopeArgs& args, void* stream);
int launch_channel_norm(const ChannelNormArgs& args, void* stream);
int launch_pack_pixels(const PackPixelsArgs& args, void* stream);
int launch_snake(const SnakeArgs& args, void* stream);
int launch_float8_rows(const Float8RowsArgs& args, void* stream);

/// Changes with every change of the table or of an argument struct.
inline constexpr uint32_t kCudaTableVersion = 4;

struct CudaTable {
  uint32_t version;
  uint32_t bytes;  // sizeof(CudaTable) of the library
  int (*use_device)(int device);
  const char* (*describe)(int error);
  int (*layer_norm)(const LayerNormArgs&, void* stream);
  int (*gated_add)(const GatedAddArgs&, void* stream);
  int (*rms_norm_rope)(const RmsNormRopeArgs&, void* stream);
  int (*channel_norm)(const ChannelNormArgs&, void* stream);
  int (*pack_pixels)(const PackPixelsArgs&, void* stream);
  int (*snake)(const SnakeArgs&, void* stream);
  int (*float8_rows)(const Float8RowsArgs&, void* stream);
};

/// The symbol that the library exports, of type const CudaTable* (*)().
inline constexpr const char* kCudaTableSymbol = "ovii2v_cuda_table";

}  // namespace ovi::kernels
