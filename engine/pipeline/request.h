// One clip as it was asked for: checked once, then never changed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "sampling/scheduler.h"
#include "sampling/step_policy.h"

namespace ovi {

enum class PixelFormat { kRgb, kRgba, kBgrx, kI420, kNv12 };
enum class SampleFormat { kF32, kS16 };

inline constexpr const char* kVideoNegativePrompt = "jitter, bad hands, blur, distortion";
inline constexpr const char* kAudioNegativePrompt = "robotic, muffled, echo, distorted";

struct Request {
  std::string prompt;
  std::string video_negative_prompt = kVideoNegativePrompt;
  std::string audio_negative_prompt = kAudioNegativePrompt;

  /// First frame. The size is enough to plan a clip; 0 x 0: text only.
  int64_t image_height = 0, image_width = 0;
  at::Tensor image;  // [image_height, image_width, 3] uint8 on the host

  int64_t height = 0, width = 0;  // text only, pixels; 0 x 0: the variant's
  int64_t seed = -1;              // -1: random
  int64_t steps = 50;
  double shift = 5.0;
  Solver solver = Solver::kUnipc;
  double video_guidance_scale = 4.0;
  double audio_guidance_scale = 3.0;
  int64_t slg_layer = 11;  // block left out of the negative pass; 0: none

  PixelFormat pixel_format = PixelFormat::kRgb;
  SampleFormat sample_format = SampleFormat::kF32;
  Acceleration acceleration = Acceleration::kNone;
  int64_t preview = 0;  // a picture each so many steps; 0: none

  bool has_image() const { return image_height > 0; }
};

/// Throws Error(kSettings) that names the setting, its value and its range.
void check_request(const Request& request);

}  // namespace ovi
