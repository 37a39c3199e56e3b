// What a precision does to a clip.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "pipeline/generator.h"
#include "runtime/device.h"

namespace ovi::bench {

/// "fp32", "bf16", "fp8".
std::optional<Precision> precision_of(const std::string& name);

/// Makes the clip in each precision, from the same noise. Of each: seconds of the denoising,
/// and how far latents and sound (SNR, dB) and frames (PSNR, dB) are from those in fp32;
/// null where they are equal. Loads one model after the other.
nlohmann::json compare_precision(const LoadedModel& prepared, const c10::Device& device,
                                 Request request);
void print_precision(const nlohmann::json& comparison);

}  // namespace ovi::bench
