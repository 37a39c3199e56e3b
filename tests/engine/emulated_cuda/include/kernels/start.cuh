// Starting a kernel without a GPU, in place of the engine's file of this name.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "emulated_cuda.h"

namespace ovi::kernels {

/// Few blocks, so that they have to take several pieces of work each.
template <typename... Args>
cudaError_t start(void (*kernel)(Args...), int64_t pieces, int threads, cudaStream_t,
                  std::type_identity_t<Args>... args) {
  constexpr int64_t kMostBlocks = 7;
  if (pieces == 0) return cudaSuccess;
  return emulated_cuda::run(std::min(pieces, kMostBlocks), threads, [&] { kernel(args...); });
}

}  // namespace ovi::kernels
