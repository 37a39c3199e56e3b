// How a kernel is started: the one place where CUDA's own syntax for it stands.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace ovi::kernels {

/// Starts `kernel` on one block of `threads` threads for each of `pieces` pieces of work, or
/// on fewer blocks, which then take several pieces each. A CUDA error code.
template <typename... Args>
cudaError_t start(void (*kernel)(Args...), int64_t pieces, int threads, cudaStream_t stream,
                  std::type_identity_t<Args>... args) {
  constexpr int64_t kMostBlocks = 1 << 20;
  if (pieces == 0) return cudaSuccess;
  kernel<<<static_cast<unsigned>(std::min(pieces, kMostBlocks)), threads, 0, stream>>>(args...);
  return cudaGetLastError();
}

}  // namespace ovi::kernels
