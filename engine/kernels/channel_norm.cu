// SPDX-License-Identifier: Apache-2.0
#include "kernels/channel_norm.cuh"
#include "kernels/launch.h"

namespace ovi::kernels {

int launch_channel_norm(const ChannelNormArgs& args, void* stream) {
  const auto launch = [&](const auto& body) {
    return static_cast<int>(launch_rows(body, args.rows, args.dim, args.aligned != 0,
                                        static_cast<cudaStream_t>(stream)));
  };
  return args.element == Element::kFloat ? launch(ChannelNormRow<float>{args})
                                         : launch(ChannelNormRow<Bfloat16>{args});
}

}  // namespace ovi::kernels
