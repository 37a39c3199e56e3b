// A small picture in memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ovii2v::tools {

/// RGB, 3 bytes a pixel, rows without gaps.
struct Pixels {
  unsigned width = 0, height = 0;
  std::vector<uint8_t> rgb;

  const uint8_t* row(unsigned y) const { return rgb.data() + size_t{3} * width * y; }
  uint8_t* row(unsigned y) { return rgb.data() + size_t{3} * width * y; }
};

/// In another size, none of them 0; between the pixels it is linear.
Pixels resized(const Pixels& from, unsigned width, unsigned height);

}  // namespace ovii2v::tools
