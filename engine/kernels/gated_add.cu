// SPDX-License-Identifier: Apache-2.0
#include "kernels/gated_add.cuh"
#include "kernels/launch.h"

namespace ovi::kernels {

int launch_gated_add(const GatedAddArgs& args, void* stream) {
  return with_gated_add(args, [&](const auto& body) {
    return static_cast<int>(launch_items(body, body.items(), static_cast<cudaStream_t>(stream)));
  });
}

}  // namespace ovi::kernels
