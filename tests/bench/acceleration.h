// What acceleration goes by on a model, and what it does to a clip.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "pipeline/generator.h"

namespace ovi::bench {

/// "none", "balanced", "fast".
std::optional<Acceleration> acceleration_of(const std::string& name);

/// Makes the clip without and with each kind of acceleration. Of each: seconds of the
/// denoising, what its steps were, and how far frames (PSNR, dB) and sound (SNR, dB) are from
/// the clip without; null where they are equal. One entry a kind, in the order of the names.
nlohmann::json compare_acceleration(const Generator& generator, const Request& request);
void print_comparison(const nlohmann::json& comparison);

/// Makes the clip in full and writes the measured magnitudes of this variant into `path`.
void calibrate(const Generator& generator, Request request, const std::string& path);

/// Makes the clip and writes video_latents.f32, audio_latents.f32, audio.f32 and frames.rgb
/// into the folder `path`, row-major, without headers.
void save_clip(const Generator& generator, const Request& request, const std::string& path);

}  // namespace ovi::bench
