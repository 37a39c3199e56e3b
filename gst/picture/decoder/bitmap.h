// What a decoder makes, and how it says that it cannot.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include "../answer.h"
#include "pixels.h"

namespace ovii2v::picture {

/// What one picture may cost.
struct Limits {
  uint64_t most_pixels = 100'000'000;
  uint64_t most_bytes = uint64_t{1} << 30;  // of the file
};

/// 8-bit RGB as the file has it: rows without gaps, not yet turned upright.
struct Bitmap {
  uint32_t width = 0, height = 0;  // pixels
  Pixels rgb;                      // [height, width, 3]
  int orientation = 1;             // 1 to 8 (EXIF 2.32, 4.6.5)

  uint8_t* row(uint32_t y) { return rgb.data() + size_t{3} * width * y; }
};

/// No picture: `what()` is a clause that goes on from "The image X ...", such as "it ends early".
class Refusal : public std::exception {
 public:
  Refusal(Outcome outcome, std::string text) : outcome_(outcome), text_(std::move(text)) {}
  Outcome outcome() const { return outcome_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  Outcome outcome_;
  std::string text_;
};

/// Sizes from a file's head, before anything of that size is allocated. Throws Refusal for none
/// and for more than `limits` allow.
void check_size(uint64_t width, uint64_t height, const Limits& limits);

/// A black bitmap of a size that was checked.
Bitmap make_bitmap(uint64_t width, uint64_t height, const Limits& limits);

/// One colour everywhere.
void fill(Bitmap& bitmap, const uint8_t* color);

/// CMYK as naive arithmetic has it (no ICC profile), the way of PIL: 255 is full ink.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, size_t pixels);

}  // namespace ovii2v::picture
