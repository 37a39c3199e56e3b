// Reads the first picture of anything GStreamer can open.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages.h"

namespace ovii2v {

/// 8-bit sRGB, upright, rows without gaps.
struct Image {
  uint32_t width = 0, height = 0;  // pixels
  std::vector<uint8_t> pixels;     // [height, width, 3]
};

/// Decodes the first frame of a path or URI with GStreamer's own elements, in a
/// pipeline of its own; blocks. Applies EXIF orientation (or the stream's
/// image-orientation tag) and ignores alpha. Ends early, and empty with
/// `failure` unset, once `cancelled` is true.
std::optional<Image> read_image(const std::string& location, const std::atomic<bool>& cancelled,
                                std::optional<Failure>& failure);

}  // namespace ovii2v
