// The process groups of torch.distributed, of which each is compiled in one file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "parallel/agreement.h"

namespace ovi::parallel {

using BackendPtr = c10::intrusive_ptr<c10d::Backend>;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

/// The agreement's store for LibTorch, with `prefix` before each key. Waiting in it ends with the
/// agreement's failure.
StorePtr group_store(std::shared_ptr<Agreement> agreement, const std::string& prefix);

/// For CPUs. `address` is this rank's own, where the others can reach it.
BackendPtr gloo_backend(const StorePtr& store, int64_t rank, int64_t size,
                        const std::string& address);

/// For GPUs: opens libovii2v-nccl. Throws Error(kLibraryInit) where it cannot be.
BackendPtr nccl_backend(const StorePtr& store, int64_t rank, int64_t size,
                        const c10::Device& device);

}  // namespace ovi::parallel
