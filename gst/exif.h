// What a picture file says beside its pixels, and putting the pixels upright by it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ovii2v {

/// The Orientation tag (0x0112) of the first bytes of a JPEG (APP1) or PNG (eXIf)
/// file, 1 to 8 (EXIF 2.32, 4.6.5); 0 when the file has none or it is damaged.
int exif_orientation(const uint8_t* data, size_t size);

/// Whether the bytes begin as a JPEG or PNG file does.
bool begins_as_picture(const uint8_t* data, size_t size);

/// Width and height in a PNG file's first bytes (its IHDR chunk); zeros for others.
std::pair<uint32_t, uint32_t> png_size(const uint8_t* data, size_t size);

/// Whether all bytes of a JPEG or PNG file end before its end marker. Decoders give
/// such a file in part, some of them now and then. False for other files.
bool is_cut(const uint8_t* data, size_t size);

/// Turns RGB pixels (3 bytes each, rows without gaps) upright; swaps the sides
/// for 5 to 8. Orientations outside 2 to 8 change nothing.
void apply_orientation(int orientation, std::vector<uint8_t>& pixels, uint32_t& width,
                       uint32_t& height);

}  // namespace ovii2v
