// From the property `image` to pixels: located, fetched, and decoded in a process of its own.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages.h"
#include "picture/location.h"

namespace ovii2v {

/// 8-bit sRGB, upright, rows without gaps.
struct Image {
  uint32_t width = 0, height = 0;  // pixels
  std::vector<uint8_t> pixels;     // [height, width, 3]
};

/// What is known without reading: the form of `image`, whether it may be read, and whether all is
/// installed that reading it takes. Never waits for a file or a server.
std::optional<Failure> check_image_location(const std::string& image, const Reach& reach);

/// Decodes the first frame of a path or URI; blocks. Applies the orientation that the file
/// states and ignores alpha. Ends within 0.1 s, and empty with `failure` unset, once
/// `cancelled` is true.
std::optional<Image> read_image(const std::string& image, const Reach& reach,
                                const std::atomic<bool>& cancelled,
                                std::optional<Failure>& failure);

}  // namespace ovii2v
