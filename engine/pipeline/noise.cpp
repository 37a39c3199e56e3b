// SPDX-License-Identifier: Apache-2.0
#include "pipeline/noise.h"

#include <ATen/ops/randn.h>

#include "runtime/device.h"

namespace ovi {

Latents make_noise(at::IntArrayRef video_shape, at::IntArrayRef audio_shape, uint64_t seed,
                   at::ScalarType dtype, const c10::Device& device) {
  const auto draw = [&](at::IntArrayRef shape) {
    return at::randn(shape, make_generator(device, seed),
                     at::TensorOptions().dtype(dtype).device(device));
  };
  return {draw(video_shape), draw(audio_shape)};
}

}  // namespace ovi
