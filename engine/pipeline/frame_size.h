// The size of the frames, from the picture or from a wish.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovi {

struct FrameSize {
  int64_t height = 0, width = 0;  // pixels, multiples of 32
};

/// For a first frame of this size (> 0): of all sizes in units of 32 near the
/// variant's `area` (pixels) and the picture's aspect ratio, the one with the least
/// error in area, then in aspect ratio.
FrameSize frame_size_from_image(int64_t height, int64_t width, int64_t area);

/// For text-only generation: the wished size (> 0) scaled to `area`, each side
/// rounded to a multiple of 32.
FrameSize frame_size_from_request(int64_t height, int64_t width, int64_t area);

}  // namespace ovi
