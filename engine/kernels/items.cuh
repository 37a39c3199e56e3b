// Kernels whose outputs have nothing to do with each other.
//
// A body is a struct with
//   OVI_PORTABLE void item(int64_t index) const;
// that computes one group of neighbouring outputs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/portable.cuh"
#ifdef __CUDACC__
#include "kernels/start.cuh"
#endif

namespace ovi::kernels {

/// index / divisor and the rest, in 32 bits where they suffice: a GPU has no 64-bit divider.
struct Quotient {
  int64_t quotient, rest;
};
OVI_PORTABLE Quotient divide(int64_t index, int64_t divisor) {
  if (((index | divisor) >> 32) == 0) {
    const uint32_t i = static_cast<uint32_t>(index), d = static_cast<uint32_t>(divisor);
    return {i / d, i % d};
  }
  return {index / divisor, index % divisor};
}

template <typename Body>
void run_items(const Body& body, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) body.item(index);
}

#ifdef __CUDACC__
template <typename Body>
__global__ void __launch_bounds__(256) items_kernel(Body body, int64_t items) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; index < items;
       index += step)
    body.item(index);
}

template <typename Body>
cudaError_t launch_items(const Body& body, int64_t items, cudaStream_t stream) {
  constexpr int kThreads = 256;
  return start(items_kernel<Body>, (items + kThreads - 1) / kThreads, kThreads, stream, body, items);
}
#endif

}  // namespace ovi::kernels
