// SPDX-License-Identifier: Apache-2.0
#include "pipeline/request.h"

#include <cmath>

#include "runtime/decimal.h"
#include "runtime/error.h"
#include "text/clean.h"
#include "text/unicode.h"

namespace ovi {
namespace {

constexpr int64_t kLongestSide = 65536;  // pixels
constexpr double kHighestScale = 100.0;

template <typename Number>
std::string text_of(Number value) {
  if constexpr (std::is_floating_point_v<Number>) {
    return decimal(value);
  } else {
    return std::to_string(value);
  }
}

template <typename Number>
void check_range(const char* name, Number value, Number low, Number high, const char* hint) {
  if (value >= low && value <= high) return;  // false for NaN
  throw Error(ErrorKind::kSettings, std::string(name) + " is " + text_of(value) + "; it must be " +
                                        text_of(low) + " to " + text_of(high) + " (" + hint + ").");
}

void check_text(const char* name, const std::string& text) {
  if (text.size() > text::kLongestText) {
    throw Error(ErrorKind::kSettings, std::string(name) + " has " + std::to_string(text.size()) +
                                          " bytes; it must have at most " +
                                          std::to_string(text::kLongestText) +
                                          " (of which the model sees 512 tokens). Shorten it.");
  }
  const size_t valid = text::valid_utf8_bytes(text);
  if (valid != text.size()) {
    throw Error(ErrorKind::kSettings, std::string(name) + " is not valid UTF-8 at byte " +
                                          std::to_string(valid) + ": save or convert it as UTF-8.");
  }
}

}  // namespace

void check_request(const Request& request) {
  check_text("The prompt", request.prompt);
  check_text("The video-negative-prompt", request.video_negative_prompt);
  check_text("The audio-negative-prompt", request.audio_negative_prompt);
  if (text::clean_text(request.prompt).empty()) {
    throw Error(ErrorKind::kSettings,
                "The prompt is empty. Describe the scene, with speech as <S>...<E> and the sound "
                "as <AUDCAP>...<ENDAUDCAP>.");
  }
  check_range<int64_t>("steps", request.steps, 1, 1000, "50 is usual");
  check_range("shift", request.shift, 0.01, 100.0, "5 is usual");
  check_range("video-guidance-scale", request.video_guidance_scale, 0.0, kHighestScale,
              "4 is usual, 1 is no guidance");
  check_range("audio-guidance-scale", request.audio_guidance_scale, 0.0, kHighestScale,
              "3 is usual, 1 is no guidance");
  check_range<int64_t>("slg-layer", request.slg_layer, 0, 1000, "11 is usual, 0 is none");
  if (request.seed < -1) {
    throw Error(ErrorKind::kSettings,
                "seed is " + std::to_string(request.seed) + "; it must be -1 (random) or from 0.");
  }
  if ((request.height == 0) != (request.width == 0)) {
    throw Error(ErrorKind::kSettings, "Of width and height one is 0: set both, or neither.");
  }
  if (request.height != 0) {
    check_range<int64_t>("height", request.height, 32, kLongestSide, "0 is the usual size");
    check_range<int64_t>("width", request.width, 32, kLongestSide, "0 is the usual size");
  }
  if (request.has_image()) {
    check_range<int64_t>("the picture's height", request.image_height, 1, kLongestSide, "pixels");
    check_range<int64_t>("the picture's width", request.image_width, 1, kLongestSide, "pixels");
  }
}

}  // namespace ovi
