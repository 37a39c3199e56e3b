// Whether a video VAE may decode in bfloat16.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "weights/tensor_source.h"

namespace ovi {

/// Frames decoded in bfloat16 have to be at least this near to those in float32 (PSNR, dB).
inline constexpr double kDecodePsnr = 45;

/// PSNR in dB of frames decoded in bfloat16 against float32, infinite where they are equal: five
/// frames of 64x64 pixels of noise, always the same, computed on the CPU, so that it says the same
/// of a model's weights on every device. NaN where either is no picture.
double bfloat16_decode_psnr(const std::shared_ptr<const TensorSource>& video_vae);

}  // namespace ovi
