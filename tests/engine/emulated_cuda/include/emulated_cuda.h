// CUDA's words for kernels, for a C++ compiler: GPU code runs as it stands, one thread after
// the other, on the host.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <math.h>
#include <string.h>

#include <bit>
#include <cstdint>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __shared__ static  // one block runs at a time

#define EMULATED_CUDA_API __attribute__((visibility("default")))

namespace emulated_cuda {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

/// Runs kernel() as `threads` threads of each of `blocks` blocks. Blocks come one after the
/// other. Within one, warps go on in a random order, each as far as it comes without the
/// others, and the lanes of a warp likewise, so that whoever relies on another order is
/// wrong here. Ends the process with a message where a GPU would hang or do as it likes: a
/// barrier or shuffle that some threads of the block or warp do not reach. Calls take turns.
/// Gives a CUDA error code.
EMULATED_CUDA_API int run(int64_t blocks, int threads, const std::function<void()>& kernel);

/// Called before each kernel; empty: nothing is.
EMULATED_CUDA_API extern std::function<void()> on_run;

/// How many kernels have run.
EMULATED_CUDA_API int64_t runs();

EMULATED_CUDA_API void synchronize_threads();
EMULATED_CUDA_API float shuffle_xor(unsigned lanes, float value, int step);

}  // namespace emulated_cuda

EMULATED_CUDA_API extern emulated_cuda::Index threadIdx, blockIdx, blockDim, gridDim;

using cudaStream_t = void*;
using cudaError_t = int;
inline constexpr cudaError_t cudaSuccess = 0, cudaErrorInvalidValue = 1;

// Of 16 bytes that lie on 16 bytes: anything else is trapped, as a GPU does.
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

inline void __syncthreads() { emulated_cuda::synchronize_threads(); }
inline float __shfl_xor_sync(unsigned lanes, float value, int step) {
  return emulated_cuda::shuffle_xor(lanes, value, step);
}
inline uint32_t __float_as_uint(float x) { return std::bit_cast<uint32_t>(x); }
inline float __uint_as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline float __fmul_rn(float a, float b) { return a * b; }
