// Which way up a picture is, from what its file says beside the pixels; and turning it.
// SPDX-License-Identifier: Apache-2.0
#include "orientation.h"

#include <bit>
#include <iterator>
#include <optional>
#include <string>

namespace ovii2v::picture {
namespace {

constexpr uint32_t kOrientation = 0x0112;

int valid(double value) {
  return value >= 1 && value <= 8 && value == static_cast<int>(value) ? static_cast<int>(value) : 0;
}

/// Bytes of one value of a directory entry's type (TIFF 6.0, section 2), 0 for none that is known.
size_t value_size(uint32_t type) {
  constexpr size_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};
  return type < std::size(sizes) ? sizes[type] : 0;
}

/// The first number of a directory entry; 0 where it holds none, nothing where it holds nothing.
std::optional<double> number(const Bytes& tiff, size_t entry) {
  const uint32_t type = tiff.u16(entry + 2);
  const uint64_t size = uint64_t{tiff.u32(entry + 4)} * value_size(type);
  const size_t at = size > 4 ? tiff.u32(entry + 8) : entry + 8;
  if (size == 0 || !tiff.has(at, size)) return std::nullopt;
  switch (type) {
    case 3:  // SHORT
      return tiff.u16(at);
    case 4:   // LONG
    case 13:  // IFD
      return tiff.u32(at);
    case 6:  // SBYTE
      return static_cast<int8_t>(tiff.u8(at));
    case 8:  // SSHORT
      return static_cast<int16_t>(tiff.u16(at));
    case 9:  // SLONG
      return static_cast<int32_t>(tiff.u32(at));
    case 5:  // RATIONAL
      return tiff.u32(at + 4) ? double{1} * tiff.u32(at) / tiff.u32(at + 4) : 0;
    case 10:  // SRATIONAL
      return tiff.u32(at + 4) ? double{1} * static_cast<int32_t>(tiff.u32(at)) /
                                    static_cast<int32_t>(tiff.u32(at + 4))
                              : 0;
    case 11:  // FLOAT
      return std::bit_cast<float>(tiff.u32(at));
    case 12:  // DOUBLE
      return std::bit_cast<double>(tiff.u64(at));
    default:  // bytes and texts
      return 0;
  }
}

}  // namespace

int exif_orientation(Bytes exif) {
  if (exif.starts(0, {"Exif\0\0", 6})) exif = exif.part(6, exif.size());
  if (exif.starts(0, "II"))
    exif.little = true;
  else if (exif.starts(0, "MM"))
    exif.little = false;
  else
    return 0;
  if (exif.u16(2) != 42) return 0;
  const size_t directory = exif.u32(4);
  const uint32_t entries = exif.u16(directory);
  int found = 0;
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (!exif.has(entry, 12)) break;
    if (exif.u16(entry) != kOrientation) continue;
    if (const auto said = number(exif, entry)) found = valid(*said) ? valid(*said) : 1;
  }
  return found;
}

int xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = 0; (at = xmp.find(kName, at)) != xmp.npos;) {
    at += kName.size();
    std::string_view rest = xmp.substr(at, 3);
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return valid(rest[0] - '0');
  }
  return 0;
}

int raw_profile_orientation(std::string_view text) {
  // "\nexif\n      86\n4578..."
  for (int line = 0; line < 3; ++line) {
    const size_t end = text.find('\n');
    if (end == text.npos) return 0;
    text.remove_prefix(end + 1);
  }
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (high >= 0) bytes.push_back(static_cast<char>(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return exif_orientation({{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}});
}

void turn_upright(Bitmap& bitmap) {
  const int orientation = bitmap.orientation;
  bitmap.orientation = 1;
  if (orientation < 2 || orientation > 8) return;
  const bool swapped = orientation >= 5;
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Bitmap out;
  out.width = swapped ? bitmap.height : bitmap.width;
  out.height = swapped ? bitmap.width : bitmap.height;
  out.rgb.resize(bitmap.rgb.size());
  // In squares, so that neither side's cache lines are fetched over and over.
  constexpr uint32_t kSquare = 64;
  for (uint32_t top = 0; top < out.height; top += kSquare) {
    for (uint32_t left = 0; left < out.width; left += kSquare) {
      const uint32_t bottom = std::min(top + kSquare, out.height);
      const uint32_t right = std::min(left + kSquare, out.width);
      for (uint32_t y = top; y < bottom; ++y) {
        for (uint32_t x = left; x < right; ++x) {
          // Where the upright pixel (x, y) lies in the file.
          uint32_t from_x = swapped ? y : x, from_y = swapped ? x : y;
          if (mirror_x) from_x = bitmap.width - 1 - from_x;
          if (mirror_y) from_y = bitmap.height - 1 - from_y;
          std::memcpy(out.row(y) + size_t{3} * x, bitmap.row(from_y) + size_t{3} * from_x, 3);
        }
      }
    }
  }
  bitmap = std::move(out);
}

}  // namespace ovii2v::picture
