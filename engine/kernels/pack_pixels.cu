// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch.h"
#include "kernels/pack_pixels.cuh"

namespace ovi::kernels {

int launch_pack_pixels(const PackPixelsArgs& args, void* stream) {
  const auto launch = [&](const auto& body) {
    return static_cast<int>(launch_items(body, body.items(), static_cast<cudaStream_t>(stream)));
  };
  return args.element == Element::kFloat ? launch(PackPixels<float>{args})
                                         : launch(PackPixels<Bfloat16>{args});
}

}  // namespace ovi::kernels
