// One still picture from a file in memory: the door to all decoders.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bitmap.h"

namespace ovii2v::picture {

struct Decoded {
  Outcome outcome = Outcome::kFailed;
  std::string text;                // a clause; empty for a picture
  uint32_t width = 0, height = 0;  // pixels
  Pixels rgb;                      // [height, width, 3], upright
};

/// With a clause of plain ASCII, whatever a library said.
Decoded no_picture(Outcome outcome, std::string text);

/// Enough of a file to know its kind.
constexpr size_t kMagicBytes = 32;

/// Whether a file that begins so is a still picture of a kind that is read, by its first bytes.
bool is_still(std::span<const uint8_t> head);

/// Never throws. kNotAPicture when !is_still(file).
Decoded decode_still(std::span<const uint8_t> file, const Limits& limits) noexcept;

}  // namespace ovii2v::picture
