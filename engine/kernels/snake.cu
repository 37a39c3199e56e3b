// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch.h"
#include "kernels/snake.cuh"
#include "kernels/start.cuh"

namespace ovi::kernels {
namespace {

constexpr int kThreads = 256, kTile = 512;

// A team that is a block, and waits for all its threads after each step.
struct Block {
  static constexpr int kThreads = kernels::kThreads;
  template <typename F>
  __device__ __forceinline__ void each(F f) {
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};

template <typename T>
__global__ void __launch_bounds__(kThreads) snake_kernel(Snake<T, kTile> body) {
  __shared__ SnakeScratch<kTile> scratch;
  Block block;
  const int64_t per_channel = body.tiles_per_channel();
  for (int64_t i = blockIdx.x; i < body.tiles(); i += gridDim.x)
    body.tile(i / per_channel, i % per_channel * kTile, block, scratch);
}

template <typename T>
int launch(const SnakeArgs& args, cudaStream_t stream) {
  const Snake<T, kTile> body{args};
  return start(snake_kernel<T>, body.tiles(), kThreads, stream, body);
}

}  // namespace

int launch_snake(const SnakeArgs& args, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  return args.element == Element::kFloat ? launch<float>(args, on) : launch<Bfloat16>(args, on);
}

}  // namespace ovi::kernels
