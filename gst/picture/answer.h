// What ovii2v-picture says on its standard output: the only thing that crosses back from it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovii2v {

/// How a picture's decoding ended.
enum class Outcome : uint32_t {
  kPicture = 0,   // pixels follow
  kNotAPicture,   // of no kind that is read; the text says what it seems to be, if that is known
  kBroken,        // damaged or cut short; the text says where
  kTooLarge,      // over the budget of pixels or bytes; the text gives both numbers
  kNoDecoder,     // a kind whose decoder is not here; the text names what to install
  kNoMemory,      // the budget of memory was not enough
  kFailed,        // anything else
};

/// The head of the answer, in the machine's own byte order. Behind it `text_bytes` bytes of
/// UTF-8 (a clause such as "it ends early", no line breaks), then, for kPicture alone,
/// `width * height * 3` bytes: 8-bit RGB, upright, rows without gaps.
struct AnswerHead {
  static constexpr uint32_t kMagic = 0x3150564f;  // "OVP1"
  /// Of the text: whoever says more is not believed.
  static constexpr uint32_t kMostText = 4096;

  uint32_t magic = kMagic;
  Outcome outcome = Outcome::kFailed;
  uint32_t width = 0, height = 0;  // pixels
  uint32_t text_bytes = 0;
};

}  // namespace ovii2v
