// NCCL's process group: libovii2v-nccl, all of it.
// SPDX-License-Identifier: Apache-2.0
#define USE_C10D_NCCL
#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <type_traits>

#include "parallel/nccl_door.h"

extern "C" __attribute__((visibility("default"))) std::remove_pointer_t<ovi::parallel::MakeNccl>
    ovii2v_nccl_backend_1;

c10d::Backend* ovii2v_nccl_backend_1(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                     int size, int device) {
  // LibTorch's watchers end the whole process where an operation was aborted or takes long. Here
  // the ranks' agreement does what is to be done, and says which rank is to blame.
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*replace=*/0);
  setenv("TORCH_NCCL_ENABLE_MONITORING", "0", /*replace=*/0);
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::minutes(30);
  auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  group->setBoundDeviceId(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device)));
  return group.release();
}
