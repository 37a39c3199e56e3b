// The one function of libovii2v-nccl, which links LibTorch's CUDA library as the engine does not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace ovi::parallel {

/// The caller owns a reference to what it returns. Throws as LibTorch does.
using MakeNccl = c10d::Backend* (*)(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                    int size, int device);
/// Changes with the signature.
inline constexpr const char* kMakeNcclSymbol = "ovii2v_nccl_backend_1";

}  // namespace ovi::parallel
