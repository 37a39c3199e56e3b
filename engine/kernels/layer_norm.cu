// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch.h"
#include "kernels/layer_norm.cuh"

namespace ovi::kernels {

int launch_layer_norm(const LayerNormArgs& args, void* stream) {
  return with_layer_norm(args, [&](const auto& body) {
    return static_cast<int>(launch_rows(body, args.rows, args.dim, args.aligned != 0,
                                        static_cast<cudaStream_t>(stream)));
  });
}

}  // namespace ovi::kernels
