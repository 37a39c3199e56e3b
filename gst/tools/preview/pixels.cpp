// A small picture in memory.
// SPDX-License-Identifier: Apache-2.0
#include "pixels.h"

#include <algorithm>
#include <cmath>

namespace ovii2v::tools {
namespace {

/// Which two pixels of `from` lie around pixel `at` of `to`, and how near the second one is.
struct Between {
  unsigned first, second;
  double share;

  Between(unsigned at, unsigned from, unsigned to) {
    const double place =
        std::clamp((at + 0.5) * from / to - 0.5, 0.0, static_cast<double>(from - 1));
    first = static_cast<unsigned>(place);
    second = std::min(first + 1, from - 1);
    share = place - first;
  }
};

}  // namespace

Pixels resized(const Pixels& from, unsigned width, unsigned height) {
  Pixels to{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  for (unsigned y = 0; y < height; ++y) {
    const Between rows(y, from.height, height);
    for (unsigned x = 0; x < width; ++x) {
      const Between columns(x, from.width, width);
      for (unsigned c = 0; c < 3; ++c) {
        const auto of_row = [&](unsigned row) {
          return from.row(row)[3 * columns.first + c] * (1 - columns.share) +
                 from.row(row)[3 * columns.second + c] * columns.share;
        };
        const double value =
            of_row(rows.first) * (1 - rows.share) + of_row(rows.second) * rows.share;
        to.row(y)[3 * x + c] = static_cast<uint8_t>(std::lround(value));
      }
    }
  }
  return to;
}

}  // namespace ovii2v::tools
