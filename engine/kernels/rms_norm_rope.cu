// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch.h"
#include "kernels/rms_norm_rope.cuh"

namespace ovi::kernels {

int launch_rms_norm_rope(const RmsNormRopeArgs& args, void* stream) {
  const auto launch = [&](const auto& body) {
    return static_cast<int>(launch_rows(body, args.rows, args.dim, args.aligned != 0,
                                        static_cast<cudaStream_t>(stream)));
  };
  return args.element == Element::kFloat ? launch(RmsNormRopeRow<float>{args})
                                         : launch(RmsNormRopeRow<Bfloat16>{args});
}

}  // namespace ovi::kernels
