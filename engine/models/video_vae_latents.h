// How Wan 2.2's video latents are normalised for the transformer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ovi::video_vae {

inline constexpr int64_t kLatentChannels = 48;
inline constexpr int64_t kPatch = 2;           // pixels a side that become channels
inline constexpr int64_t kSpatialFactor = 16;  // pixels a latent row or column stands for
inline constexpr int64_t kTemporalFactor = 4;  // frames that each latent but the first stands for

/// (x - mean) / std for each channel. x [..., 48] -> same shape, float32.
at::Tensor normalise_latents(const at::Tensor& x);

/// The inverse of normalise_latents.
at::Tensor denormalise_latents(const at::Tensor& x);

}  // namespace ovi::video_vae
