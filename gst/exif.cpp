// What a picture file says beside its pixels, and putting the pixels upright by it.
// SPDX-License-Identifier: Apache-2.0
#include "exif.h"

#include <cstring>

namespace ovii2v {
namespace {

/// Bytes with a known end; reads beyond it give 0 and mark the view as broken.
struct Bytes {
  const uint8_t* data;
  size_t size;
  bool little = false;

  bool has(size_t at, size_t count) const { return at <= size && count <= size - at; }
  uint32_t u16(size_t at) const {
    if (!has(at, 2)) return 0;
    const uint32_t a = data[at], b = data[at + 1];
    return little ? b << 8 | a : a << 8 | b;
  }
  uint32_t u32(size_t at) const {
    if (!has(at, 4)) return 0;
    return little ? u16(at + 2) << 16 | u16(at) : u16(at) << 16 | u16(at + 2);
  }
  bool starts(size_t at, const char* text, size_t count) const {
    return has(at, count) && std::memcmp(data + at, text, count) == 0;
  }
};

/// `tiff` begins with the byte order mark.
int tiff_orientation(Bytes tiff) {
  if (tiff.starts(0, "II", 2))
    tiff.little = true;
  else if (!tiff.starts(0, "MM", 2))
    return 0;
  if (tiff.u16(2) != 42) return 0;
  const size_t directory = tiff.u32(4);
  const uint32_t entries = tiff.u16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (!tiff.has(entry, 12)) return 0;
    constexpr uint32_t kOrientation = 0x0112, kShort = 3;
    if (tiff.u16(entry) != kOrientation) continue;
    const uint32_t value = tiff.u16(entry + 8);
    return tiff.u16(entry + 2) == kShort && value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
  }
  return 0;
}

int jpeg_orientation(const Bytes& file) {
  size_t at = 2;
  while (file.has(at, 4) && file.data[at] == 0xFF) {
    const uint8_t marker = file.data[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) return 0;  // the pixels begin, or the file ends
    const size_t length = file.u16(at + 2);
    if (length < 2) return 0;
    constexpr uint8_t kApp1 = 0xE1;
    if (marker == kApp1 && file.starts(at + 4, "Exif\0\0", 6) && file.has(at + 2, length) &&
        length >= 8)
      return tiff_orientation({file.data + at + 10, length - 8});
    at += 2 + length;
  }
  return 0;
}

int png_orientation(const Bytes& file) {
  size_t at = 8;
  while (file.has(at, 8)) {
    const size_t length = file.u32(at);
    if (file.starts(at + 4, "eXIf", 4))
      return file.has(at + 8, length) ? tiff_orientation({file.data + at + 8, length}) : 0;
    if (!file.has(at + 8, length) || !file.has(at + 8 + length, 4)) return 0;
    at += 8 + length + 4;
  }
  return 0;
}

bool is_cut_png(const Bytes& file) {
  for (size_t at = 8; file.has(at, 12);) {
    const size_t length = file.u32(at);
    if (!file.has(at + 8, length) || !file.has(at + 8 + length, 4)) return true;
    if (file.starts(at + 4, "IEND", 4)) return false;
    at += 8 + length + 4;
  }
  return true;
}

/// No EOI marker behind the (last) scan.
bool is_cut_jpeg(const Bytes& file) {
  constexpr uint8_t kStartOfScan = 0xDA, kEndOfImage = 0xD9;
  for (size_t at = 2; file.has(at, 2);) {
    const uint8_t marker = file.data[at + 1];
    if (file.data[at] != 0xFF || marker == 0x00 || marker == 0xFF ||
        (marker >= 0xD0 && marker <= 0xD7)) {
      ++at;  // inside a scan, or a fill byte
      continue;
    }
    if (marker == kEndOfImage) return false;
    const size_t length = file.u16(at + 2);
    at += 2 + (length < 2 ? size_t{marker == kStartOfScan} : length);
  }
  return true;
}

}  // namespace

bool begins_as_picture(const uint8_t* data, size_t size) {
  const Bytes file{data, size};
  return file.starts(0, "\xFF\xD8\xFF", 3) || file.starts(0, "\x89PNG\r\n\x1a\n", 8);
}

std::pair<uint32_t, uint32_t> png_size(const uint8_t* data, size_t size) {
  const Bytes file{data, size};
  if (!file.starts(0, "\x89PNG\r\n\x1a\n", 8) || !file.starts(12, "IHDR", 4)) return {0, 0};
  return {file.u32(16), file.u32(20)};
}

bool is_cut(const uint8_t* data, size_t size) {
  const Bytes file{data, size};
  if (file.starts(0, "\xFF\xD8\xFF", 3)) return is_cut_jpeg(file);
  if (file.starts(0, "\x89PNG\r\n\x1a\n", 8)) return is_cut_png(file);
  return false;
}

int exif_orientation(const uint8_t* data, size_t size) {
  const Bytes file{data, size};
  if (file.starts(0, "\xFF\xD8", 2)) return jpeg_orientation(file);
  if (file.starts(0, "\x89PNG\r\n\x1a\n", 8)) return png_orientation(file);
  return 0;
}

void apply_orientation(int orientation, std::vector<uint8_t>& pixels, uint32_t& width,
                       uint32_t& height) {
  if (orientation < 2 || orientation > 8) return;
  const bool swapped = orientation >= 5;
  const uint32_t out_width = swapped ? height : width, out_height = swapped ? width : height;
  std::vector<uint8_t> out(pixels.size());
  for (uint32_t y = 0; y < out_height; ++y) {
    for (uint32_t x = 0; x < out_width; ++x) {
      // Where the upright pixel (x, y) lies in the file.
      uint32_t from_x = swapped ? y : x, from_y = swapped ? x : y;
      const bool mirror_x =
          orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
      const bool mirror_y =
          orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
      if (mirror_x) from_x = width - 1 - from_x;
      if (mirror_y) from_y = height - 1 - from_y;
      std::memcpy(&out[3 * (size_t{y} * out_width + x)],
                  &pixels[3 * (size_t{from_y} * width + from_x)], 3);
    }
  }
  pixels.swap(out);
  width = out_width;
  height = out_height;
}

}  // namespace ovii2v
