// What a TIFF says of its samples, and the kinds of them that libtiff makes no colours of.
// SPDX-License-Identifier: Apache-2.0
#include "tiff_samples.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

namespace ovii2v::picture {
namespace {

constexpr const char* kWayOut = ": save it with 8 bits a sample";
constexpr uint64_t kMostBytes = uint64_t{1} << 30;  // of strips or tiles at once
constexpr uint16_t kMostSamples = 8;                // a pixel

bool has_own_scale(const Samples& samples) {
  return samples.format == SAMPLEFORMAT_UINT && samples.bits <= 16;
}

/// Colours that are looked at; what follows them (alpha) is not.
uint16_t color_count(const Samples& samples) {
  switch (samples.colors) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
      return 1;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
      return 3;
    case PHOTOMETRIC_SEPARATED:
      return 4;
    default:
      return 0;
  }
}

std::string name_of_colors(uint16_t colors) {
  switch (colors) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
      return "grey";
    case PHOTOMETRIC_RGB:
      return "RGB";
    case PHOTOMETRIC_PALETTE:
      return "palette";
    case PHOTOMETRIC_SEPARATED:
      return "CMYK";
    case PHOTOMETRIC_YCBCR:
      return "YCbCr";
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
    case PHOTOMETRIC_ITULAB:
      return "Lab";
    default:
      return "photometric interpretation " + std::to_string(colors);
  }
}

bool is_lab(const Samples& samples) {
  return samples.colors == PHOTOMETRIC_CIELAB || samples.colors == PHOTOMETRIC_ICCLAB;
}

/// CIE L*a*b* of D50 to sRGB (libtiff takes the white of the one for that of the other).
class Lab {
 public:
  Lab() {
    for (size_t i = 0; i < gamma_.size(); ++i) {
      const double light = static_cast<double>(i) / static_cast<double>(gamma_.size() - 1);
      const double shown =
          light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
      gamma_[i] = static_cast<uint8_t>(std::lround(255 * shown));
    }
  }
  /// `l` is 255 for white; `a` and `b` are two's complement.
  void to_rgb(uint8_t l, uint8_t a, uint8_t b, uint8_t* rgb) const {
    const float y = (static_cast<float>(l) / 2.55f + 16) / 116;
    const float x = y + static_cast<float>(static_cast<int8_t>(a)) / 500;
    const float z = y - static_cast<float>(static_cast<int8_t>(b)) / 200;
    const float light[3] = {0.9642f * linear(x), linear(y), 0.8249f * linear(z)};
    // XYZ of D50 to linear sRGB, by Bradford's adaptation to D65.
    constexpr float matrix[3][3] = {{3.1338561f, -1.6168667f, -0.4906146f},
                                    {-0.9787684f, 1.9161415f, 0.0334540f},
                                    {0.0719453f, -0.2289914f, 1.4052427f}};
    const auto top = static_cast<float>(gamma_.size() - 1);
    for (int c = 0; c < 3; ++c) {
      const float sum = matrix[c][0] * light[0] + matrix[c][1] * light[1] + matrix[c][2] * light[2];
      rgb[c] = gamma_[static_cast<size_t>(std::clamp(sum, 0.0f, 1.0f) * top + 0.5f)];
    }
  }

 private:
  static float linear(float f) {
    constexpr float kEdge = 6.0f / 29;
    return f > kEdge ? f * f * f : 3 * kEdge * kEdge * (f - 4.0f / 29);
  }
  std::vector<uint8_t> gamma_ = std::vector<uint8_t>(1 << 16);
};

double half(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double size = exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                      : exponent     ? std::ldexp(1 + fraction / 1024, exponent - 15)
                                     : std::ldexp(fraction, -24);
  return bits >> 15 ? -size : size;
}

template <typename T>
T at(const uint8_t* packed, size_t index) {
  T value;
  std::memcpy(&value, packed + index * sizeof value, sizeof value);
  return value;
}

/// Sample `index` of a row of them, in the machine's byte order.
double number(const Samples& samples, const uint8_t* packed, size_t index) {
  const bool real = samples.format == SAMPLEFORMAT_IEEEFP;
  const bool negative = samples.format == SAMPLEFORMAT_INT;
  switch (samples.bits) {
    case 16:
      return real ? half(at<uint16_t>(packed, index)) : at<int16_t>(packed, index);
    case 32:
      return real       ? at<float>(packed, index)
             : negative ? at<int32_t>(packed, index)
                        : at<uint32_t>(packed, index);
    default:
      return at<double>(packed, index);
  }
}

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

/// Rows of samples to rows of bytes.
class Narrowing {
 public:
  explicit Narrowing(const Samples& samples) : samples_(samples) {}

  void row(const uint8_t* packed, size_t count, uint8_t* out) {
    if (has_own_scale(samples_)) return scaled(packed, count, out);
    for (size_t i = 0; i < count; ++i) {
      const double value = number(samples_, packed, i);
      if (!(value > -1 && value < 256))
        throw Refusal(Outcome::kNoDecoder, "it is a TIFF of " + samples_.text() + ", one of them " +
                                               shown(value) + ", where 0 to 255 are read" +
                                               kWayOut);
      most_ = std::max(most_, value);
      out[i] = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
    }
  }
  /// After the last row.
  void finish() const {
    if (samples_.format == SAMPLEFORMAT_IEEEFP && most_ > 0 && most_ <= 1)
      throw Refusal(Outcome::kNoDecoder, "it is a TIFF of " + samples_.text() + ", none above " +
                                             shown(most_) + ", where 0 to 255 are read" + kWayOut);
  }

 private:
  /// The upper 8 bits, or all of them spread.
  void scaled(const uint8_t* packed, size_t count, uint8_t* out) const {
    const unsigned bits = samples_.bits;
    for (size_t i = 0; i < count; ++i) {
      unsigned value = 0;
      if (bits == 16) {
        value = at<uint16_t>(packed, i);
      } else if (bits == 8) {
        value = packed[i];
      } else {
        for (size_t bit = i * bits; bit < (i + 1) * bits; ++bit)
          value = value << 1 | (packed[bit / 8] >> (7 - bit % 8) & 1);
      }
      const unsigned most = (1u << bits) - 1;
      value = bits >= 8 ? value >> (bits - 8) : value * 255 / most;
      out[i] =
          static_cast<uint8_t>(samples_.colors == PHOTOMETRIC_MINISWHITE ? 255 - value : value);
    }
  }

  const Samples& samples_;
  double most_ = 0;
};

/// Rows and columns that a strip or a tile has.
struct Piece {
  bool tiled = false;
  uint32_t width = 0, height = 0;
  size_t bytes = 0;
};

Piece piece_of(TIFF* tiff, const Bitmap& bitmap) {
  Piece piece;
  piece.tiled = TIFFIsTiled(tiff);
  piece.width = bitmap.width;
  if (piece.tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &piece.width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &piece.height);
  } else {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &piece.height);
    piece.height = std::min(piece.height, bitmap.height);
  }
  const uint64_t bytes = piece.tiled ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff);
  if (piece.width == 0 || piece.height == 0 || bytes == 0)
    throw Refusal(Outcome::kBroken, "its parts have no size");
  if (bytes > kMostBytes) throw std::bad_alloc();
  piece.bytes = static_cast<size_t>(bytes);
  return piece;
}

}  // namespace

Samples::Samples(TIFF* tiff) {
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &count);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  if (format == SAMPLEFORMAT_VOID) format = SAMPLEFORMAT_UINT;
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &colors))
    colors = count < 3 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planes);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
}

std::string Samples::text() const {
  const char* kind = format == SAMPLEFORMAT_IEEEFP ? "floating-point "
                     : format == SAMPLEFORMAT_INT  ? "signed "
                     : format == SAMPLEFORMAT_COMPLEXINT || format == SAMPLEFORMAT_COMPLEXIEEEFP
                         ? "complex "
                         : "";
  return std::to_string(bits) + "-bit " + kind + "samples, " + std::to_string(count) +
         " a pixel (" + name_of_colors(colors) + ")";
}

bool are_own(const Samples& samples) {
  const uint16_t colors = color_count(samples);
  if (!colors || samples.count < colors || samples.count > kMostSamples) return false;
  if (has_own_scale(samples)) {
    // libtiff takes 8 and 16 bits of grey and RGB, and fewer of grey alone.
    if (is_lab(samples)) return samples.bits == 8 || samples.bits == 16;
    if (samples.bits == 16) return samples.colors == PHOTOMETRIC_SEPARATED;
    return samples.bits != 8 &&
           !(samples.count == 1 && std::has_single_bit(static_cast<unsigned>(samples.bits)));
  }
  if (samples.colors != PHOTOMETRIC_MINISBLACK && samples.colors != PHOTOMETRIC_RGB) return false;
  switch (samples.format) {
    case SAMPLEFORMAT_UINT:
      return samples.bits == 32;
    case SAMPLEFORMAT_INT:
      return samples.bits == 16 || samples.bits == 32;
    case SAMPLEFORMAT_IEEEFP:
      return samples.bits == 16 || samples.bits == 32 || samples.bits == 64;
    default:
      return false;
  }
}

void read_samples(TIFF* tiff, const Samples& samples, Bitmap& bitmap, const std::string& said) {
  const Piece piece = piece_of(tiff, bitmap);
  const uint16_t colors = color_count(samples);
  const bool apart = samples.planes == PLANARCONFIG_SEPARATE;
  const size_t step = apart ? 1 : samples.count;  // samples of one pixel in a row
  const size_t row_bytes = (step * piece.width * samples.bits + 7) / 8;
  if (row_bytes * piece.height > piece.bytes)
    throw Refusal(Outcome::kBroken, "its parts are smaller than their rows");
  // Not filled: what a damaged file claims costs nothing before it is read.
  const auto packed = std::make_unique_for_overwrite<uint8_t[]>(piece.bytes);
  const size_t band_row = step * piece.width;
  const size_t band = band_row * piece.height;
  const auto bytes = std::make_unique_for_overwrite<uint8_t[]>(band * (apart ? colors : 1));
  Narrowing narrowing(samples);
  std::optional<Lab> lab;
  if (is_lab(samples)) lab.emplace();
  // ICC's kind counts from -128.
  const uint8_t moved = samples.colors == PHOTOMETRIC_ICCLAB ? 0x80 : 0;
  for (uint32_t top = 0; top < bitmap.height; top += std::min(piece.height, bitmap.height - top)) {
    const uint32_t rows = std::min(piece.height, bitmap.height - top);
    for (uint32_t left = 0; left < bitmap.width;
         left += std::min(piece.width, bitmap.width - left)) {
      const uint32_t columns = std::min(piece.width, bitmap.width - left);
      for (uint16_t plane = 0; plane < (apart ? colors : 1); ++plane) {
        const tmsize_t wanted = static_cast<tmsize_t>(
            piece.tiled ? piece.bytes : std::min(piece.bytes, row_bytes * rows));
        const tmsize_t got =
            piece.tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, left, top, 0, plane),
                                              packed.get(), wanted)
                        : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, top, plane),
                                               packed.get(), wanted);
        if (got < wanted) throw Refusal(Outcome::kBroken, said.empty() ? "it ends early" : said);
        for (uint32_t y = 0; y < rows; ++y)
          narrowing.row(packed.get() + row_bytes * y, step * columns,
                        bytes.get() + band * plane + band_row * y);
      }
      for (uint32_t y = 0; y < rows; ++y) {
        uint8_t* out = bitmap.row(top + y) + size_t{3} * left;
        const uint8_t* in = bytes.get() + band_row * y;
        const size_t between = apart ? band : 1;  // from one colour to the next
        for (uint32_t x = 0; x < columns; ++x, in += step, out += 3) {
          if (lab) {
            lab->to_rgb(in[0], in[between] ^ moved, in[2 * between] ^ moved, out);
          } else if (colors == 4) {
            const uint8_t ink[4] = {in[0], in[between], in[2 * between], in[3 * between]};
            cmyk_to_rgb(ink, out, 1);
          } else {
            for (size_t c = 0; c < 3; ++c) out[c] = in[colors == 3 ? c * between : 0];
          }
        }
      }
    }
  }
  narrowing.finish();
}

}  // namespace ovii2v::picture
