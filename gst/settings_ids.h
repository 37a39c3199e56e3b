// The numbers of the element's properties, and the defaults that are texts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <glib.h>

namespace ovii2v {

constexpr const char* kModelVariable = "OVI_MODEL_PATH";
constexpr const char* kAudioNegative = "robotic, muffled, echo, distorted";
constexpr const char* kVideoNegative = "jitter, bad hands, blur, distortion";

/// What `image` may be reached by; a path counts as file.
constexpr const char* kSafeSchemes = "file,http,https,data";

enum Id : guint {
  kImage = 1,
  kPrompt,
  kAudioNegativePrompt,
  kVideoNegativePrompt,
  kSeed,
  kModelPath,
  kVariant,
  kWidth,
  kHeight,
  kSteps,
  kShift,
  kSolver,
  kVideoGuidanceScale,
  kAudioGuidanceScale,
  kSlgLayer,
  kDevice,
  kPrecision,
  kMemory,
  kNumClips,
  kContinuity,
  kIsLive,
  kAcceleration,
  kImageSchemes,
  kImageFolder,
  kImageSample,
  kFailures,
  kHold,
  kPreview,
  kLora,
  kIsolation,
  kDevices,
  kEnd
};

}  // namespace ovii2v
