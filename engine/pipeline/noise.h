// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

namespace ovi {

/// The latents a clip starts from: video [C, F, h, w], audio [L, C].
struct Latents {
  at::Tensor video, audio;
};

/// Standard normal latents; each stream draws from a generator of its own with the
/// same seed, on the device and in the dtype that compute. So a seed gives the
/// published noise on the same kind of device.
Latents make_noise(at::IntArrayRef video_shape, at::IntArrayRef audio_shape, uint64_t seed,
                   at::ScalarType dtype, const c10::Device& device);

}  // namespace ovi
