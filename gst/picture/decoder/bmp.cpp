// Windows and OS/2 bitmaps, after the BITMAPINFOHEADER family's documentation.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>

#include "decoders.h"

namespace ovii2v::picture {
namespace {

constexpr size_t kFileHeader = 14;  // bytes
constexpr uint32_t kCoreHeader = 12, kInfoHeader = 40;
enum Compression : uint32_t {
  kPlain = 0,
  kRle8 = 1,
  kRle4 = 2,
  kBitFields = 3,
  kAlphaBitFields = 6
};

/// Which bits of a pixel are one colour, and how they become 8.
struct Field {
  int shift = 0, bits = 0;

  explicit Field(uint32_t mask = 0) {
    if (!mask) return;
    shift = std::countr_zero(mask);
    bits = std::popcount(mask);
    if (mask >> shift != (bits == 32 ? ~uint32_t{0} : (uint32_t{1} << bits) - 1))
      throw Refusal(Outcome::kBroken, "its colour masks have gaps");
  }
  uint8_t of(uint32_t pixel) const {
    if (bits == 0) return 0;
    const uint64_t most = (uint64_t{1} << bits) - 1;
    return static_cast<uint8_t>((pixel >> shift & most) * 255 / most);
  }
};

struct Header {
  uint32_t size = 0;  // of the header itself
  uint32_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0;  // a pixel
  uint32_t compression = kPlain;
  std::array<uint32_t, 3> masks{};
  std::vector<std::array<uint8_t, 3>> palette;
  size_t pixels_at = 0;
};

void read_masks(const Bytes& file, Header& header) {
  if (header.bits == 16)
    header.masks = {0x7C00, 0x03E0, 0x001F};
  else
    header.masks = {0xFF0000, 0x00FF00, 0x0000FF};
  if (header.compression != kBitFields && header.compression != kAlphaBitFields) return;
  for (size_t i = 0; i < 3; ++i) header.masks[i] = file.u32(kFileHeader + kInfoHeader + 4 * i);
}

void read_palette(const Bytes& file, Header& header, size_t at) {
  const size_t entry = header.size == kCoreHeader ? 3 : 4;
  size_t count = header.size == kCoreHeader ? 0 : file.u32(kFileHeader + 32);
  const size_t most = size_t{1} << header.bits;
  if (count == 0 || count > most) count = most;
  // Some are shorter than they say: the pixels begin behind them.
  if (header.pixels_at > at) count = std::min(count, (header.pixels_at - at) / entry);
  header.palette.resize(most);
  for (size_t i = 0; i < count; ++i)
    for (size_t c = 0; c < 3; ++c) header.palette[i][c] = file.u8(at + entry * i + 2 - c);
}

Header read_header(const Bytes& file) {
  Header header;
  header.size = file.u32(kFileHeader);
  header.pixels_at = file.u32(10);
  if (!file.has(kFileHeader, header.size)) throw Refusal(Outcome::kBroken, "it ends early");
  if (header.size == kCoreHeader) {
    header.width = file.u16(18), header.height = file.u16(20);
    header.bits = file.u16(24);
  } else if (header.size >= 16 && header.size <= 1024) {
    const auto width = static_cast<int32_t>(file.u32(18)),
               height = static_cast<int32_t>(file.u32(22));
    if (width <= 0 || height == INT32_MIN)
      throw Refusal(Outcome::kBroken, "it says that it has no pixels");
    header.top_down = height < 0;
    header.width = static_cast<uint32_t>(width);
    header.height = static_cast<uint32_t>(height < 0 ? -height : height);
    header.bits = file.u16(28);
    if (header.size >= kInfoHeader) header.compression = file.u32(30);
  } else {
    throw Refusal(Outcome::kBroken, "its head is damaged");
  }
  const uint32_t bits = header.bits;
  const bool indexed = bits == 1 || bits == 2 || bits == 4 || bits == 8;
  const bool known = header.compression == kPlain
                         ? indexed || bits == 16 || bits == 24 || bits == 32
                     : header.compression == kRle8 ? bits == 8
                     : header.compression == kRle4 ? bits == 4
                                                   : bits == 16 || bits == 24 || bits == 32;
  if (!known || (header.compression > kBitFields && header.compression != kAlphaBitFields))
    throw Refusal(Outcome::kNoDecoder, "it is a BMP of a rare kind (" + std::to_string(bits) +
                                           " bits, compression " +
                                           std::to_string(header.compression) + ")");
  read_masks(file, header);
  // A byte a colour, blue first, is all that 24 bits are.
  if (bits == 24 && header.masks != std::array<uint32_t, 3>{0xFF0000, 0x00FF00, 0x0000FF})
    throw Refusal(Outcome::kNoDecoder, "it is a BMP of a rare kind (24 bits, other masks)");
  size_t at = kFileHeader + header.size;
  if (header.size == kInfoHeader && header.compression == kBitFields) at += 12;
  if (header.size == kInfoHeader && header.compression == kAlphaBitFields) at += 16;
  if (indexed) read_palette(file, header, at);
  return header;
}

/// Fills a row of a file that is not run-length coded.
void read_row(const Header& header, const Bytes& row, const std::array<Field, 3>& fields,
              uint8_t* out) {
  for (uint32_t x = 0; x < header.width; ++x, out += 3) {
    if (header.bits <= 8) {
      const uint32_t bit = x * header.bits;
      const uint32_t index =
          row.u8(bit / 8) >> (8 - header.bits - bit % 8) & ((uint32_t{1} << header.bits) - 1);
      std::copy_n(header.palette[index].data(), 3, out);
    } else if (header.bits == 24) {
      for (size_t c = 0; c < 3; ++c) out[c] = row.u8(size_t{3} * x + 2 - c);
    } else {
      const uint32_t pixel = header.bits == 16 ? row.u16(size_t{2} * x) : row.u32(size_t{4} * x);
      for (size_t c = 0; c < 3; ++c) out[c] = fields[c].of(pixel);
    }
  }
}

/// Runs, literal pixels and jumps; what is jumped over has the palette's first colour.
void read_runs(const Header& header, const Bytes& data, Bitmap& bitmap) {
  uint32_t x = 0, y = 0;
  size_t at = 0;
  const bool nibbles = header.bits == 4;
  auto put = [&](uint32_t index) {
    if (x < header.width && y < header.height) {
      const uint32_t row = header.top_down ? y : header.height - 1 - y;
      std::copy_n(header.palette[index].data(), 3, bitmap.row(row) + size_t{3} * x);
    }
    if (x < header.width) ++x;
  };
  auto nibble = [&](size_t base, uint32_t i) -> uint32_t {
    const uint8_t byte = data.u8(base + (nibbles ? i / 2 : i));
    return !nibbles ? byte : i % 2 ? byte & 15 : byte >> 4;
  };
  while (y < header.height) {
    // A file may end with its last row instead of the mark for it.
    if (!data.has(at, 2)) {
      if (y + 1 == header.height && x == header.width) return;
      throw Refusal(Outcome::kBroken, "it ends early");
    }
    const uint32_t count = data.u8(at), value = data.u8(at + 1);
    at += 2;
    if (count) {
      for (uint32_t i = 0; i < count; ++i) put(nibble(at - 1, nibbles ? i % 2 : 0));
    } else if (value == 0) {  // end of the row
      x = 0, ++y;
    } else if (value == 1) {  // end of the picture
      return;
    } else if (value == 2) {  // to the right and up
      x = std::min(header.width, x + data.u8(at));
      y += data.u8(at + 1);
      at += 2;
    } else {
      const size_t bytes = nibbles ? (value + 1) / 2 : value;
      if (!data.has(at, bytes)) throw Refusal(Outcome::kBroken, "it ends early");
      for (uint32_t i = 0; i < value; ++i) put(nibble(at, i));
      at += bytes + bytes % 2;
    }
  }
}

}  // namespace

Bitmap decode_bmp(Bytes file, const Limits& limits) {
  file.little = true;
  const Header header = read_header(file);
  check_size(header.width, header.height, limits);
  if (header.compression == kRle8 || header.compression == kRle4) {
    Bitmap bitmap = make_bitmap(header.width, header.height, limits);
    fill(bitmap, &header.palette[0][0]);
    read_runs(header, file.part(header.pixels_at, file.size()), bitmap);
    return bitmap;
  }
  const size_t stride = (size_t{header.width} * header.bits + 31) / 32 * 4;
  const size_t last = (size_t{header.width} * header.bits + 7) / 8;  // without padding
  if (!file.has(header.pixels_at, stride * (header.height - 1) + last))
    throw Refusal(Outcome::kBroken, "it ends early");
  Bitmap bitmap = make_bitmap(header.width, header.height, limits);
  const std::array<Field, 3> fields{Field(header.masks[0]), Field(header.masks[1]),
                                    Field(header.masks[2])};
  for (uint32_t y = 0; y < header.height; ++y) {
    const size_t at = header.pixels_at + stride * y;
    read_row(header, file.part(at, stride), fields,
             bitmap.row(header.top_down ? y : header.height - 1 - y));
  }
  return bitmap;
}

}  // namespace ovii2v::picture
