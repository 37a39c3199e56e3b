// The first directory of a TIFF, by libtiff.
// SPDX-License-Identifier: Apache-2.0
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "decoders.h"
#include "orientation.h"
#include "tiff_samples.h"

namespace ovii2v::picture {
namespace {

constexpr tmsize_t kMostAllocation = tmsize_t{1} << 30;  // bytes in one piece

struct Input {
  Bytes file;
  uint64_t at = 0;
  std::string said;  // the first error
};

tmsize_t read(thandle_t handle, void* out, tmsize_t count) {
  auto& input = *static_cast<Input*>(handle);
  const Bytes part = input.file.part(input.at, static_cast<size_t>(std::max<tmsize_t>(count, 0)));
  if (part.size()) std::memcpy(out, part.data.data(), part.size());
  input.at += part.size();
  return static_cast<tmsize_t>(part.size());
}

tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto& input = *static_cast<Input*>(handle);
  const uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? input.at : input.file.size();
  return input.at = base + offset;
}

int close(thandle_t) { return 0; }

toff_t size(thandle_t handle) { return static_cast<Input*>(handle)->file.size(); }

int note(TIFF*, void* user, const char*, const char* format, va_list values) {
  auto& input = *static_cast<Input*>(user);
  char text[300];
  std::vsnprintf(text, sizeof text, format, values);
  if (input.said.empty()) input.said = text;
  return 1;
}

int ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};

[[noreturn]] void refuse(const Input& input) {
  throw Refusal(Outcome::kBroken, input.said.empty() ? "it is damaged" : input.said);
}

/// libtiff multiplies colours with an alpha that was not, and takes one that was as it is: the
/// latter is the way to colours as stored. True: they are multiplied in the file.
bool keep_colors(TIFF* tiff) {
  uint16_t count = 0, *kinds = nullptr;
  if (!TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) || count == 0) return false;
  std::vector<uint16_t> plain(kinds, kinds + count);
  const bool multiplied = plain[0] == EXTRASAMPLE_ASSOCALPHA;
  if (plain[0] == EXTRASAMPLE_UNASSALPHA) plain[0] = EXTRASAMPLE_ASSOCALPHA;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, plain.data());
  return multiplied;
}

/// A colour as it was before it was multiplied with its alpha; where that is 0, there was none.
uint8_t divided(uint32_t color, uint32_t alpha) {
  return static_cast<uint8_t>(alpha ? std::min(255u, color * 255 / alpha) : 0);
}

/// With what is read of its kind, where libtiff has but "Sorry, can not handle image".
Refusal rare(const Samples& samples) {
  if (!TIFFIsCODECConfigured(samples.compression)) {
    const TIFFCodec* codec = TIFFFindCODEC(samples.compression);
    return {Outcome::kNoDecoder, "it is a TIFF of a compression that libtiff here does not read (" +
                                     (codec ? codec->name + std::string(", ") : "") + "number " +
                                     std::to_string(samples.compression) +
                                     "): save it with LZW or without"};
  }
  return {Outcome::kNoDecoder, "it is a TIFF of " + samples.text() +
                                   ", which are not read: save it with 8 bits a sample"};
}

int orientation(TIFF* tiff, const Bytes& file) {
  // Its first directory is what EXIF is made after; libtiff tells no wrong value from none.
  if (const int said = exif_orientation(file)) return said;
  uint16_t value = 0;  // BigTIFF
  if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &value) && value >= 1 && value <= 8) return value;
  uint32_t length = 0;
  const char* xmp = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_XMLPACKET, &length, &xmp) && xmp)
    return orientation_of(0, xmp_orientation({xmp, length}));
  return 1;
}

}  // namespace

Bitmap decode_tiff(Bytes file, const Limits& limits) {
  Input input{file, 0, {}};
  const std::unique_ptr<TIFFOpenOptions, Close> options(TIFFOpenOptionsAlloc());
  if (!options) throw std::bad_alloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostAllocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note, &input);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore, nullptr);
  const std::unique_ptr<TIFF, Close> tiff(TIFFClientOpenExt(
      "picture", "rm", &input, read, write, seek, close, size, nullptr, nullptr, options.get()));
  if (!tiff) refuse(input);

  uint32_t width = 0, height = 0;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  Bitmap bitmap = make_bitmap(width, height, limits);
  bitmap.orientation = orientation(tiff.get(), file);
  const bool multiplied = keep_colors(tiff.get());
  const Samples samples(tiff.get());
  if (!TIFFIsCODECConfigured(samples.compression)) throw rare(samples);
  if (are_own(samples)) {
    read_samples(tiff.get(), samples, bitmap, input.said);
    return bitmap;
  }

  char why[1024] = "";
  // Signs, and what is no number, libtiff does not look at.
  if ((samples.format != SAMPLEFORMAT_UINT && samples.colors != PHOTOMETRIC_LOGL &&
       samples.colors != PHOTOMETRIC_LOGLUV) ||
      !TIFFRGBAImageOK(tiff.get(), why))
    throw rare(samples);
  struct Image : TIFFRGBAImage {
    bool begun = false;
    ~Image() {
      if (begun) TIFFRGBAImageEnd(this);
    }
  } image;
  if (!TIFFRGBAImageBegin(&image, tiff.get(), /*stop on error*/ 1, why)) {
    if (input.said.empty()) throw rare(samples);
    refuse(input);
  }
  image.begun = true;
  // Rows as stored: turning them is everybody's own work here.
  image.req_orientation = image.orientation;

  // A band at a time, so that only the bitmap is as large as the picture.
  uint32_t band = 0, tile_height = 0;
  if (TIFFIsTiled(tiff.get())) {
    TIFFGetField(tiff.get(), TIFFTAG_TILELENGTH, &tile_height);
    band = tile_height;
  } else {
    TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_ROWSPERSTRIP, &band);
  }
  band = std::clamp<uint32_t>(band, 1, height);
  std::vector<uint32_t> raster(size_t{width} * band);
  for (uint32_t top = 0; top < height; top += band) {
    const uint32_t rows = std::min(band, height - top);
    image.row_offset = static_cast<int>(top);
    if (!TIFFRGBAImageGet(&image, raster.data(), width, rows)) refuse(input);
    uint8_t* out = bitmap.row(top);
    for (size_t i = 0; i < size_t{width} * rows; ++i, out += 3) {
      const uint32_t alpha = multiplied ? TIFFGetA(raster[i]) : 255;
      out[0] = divided(TIFFGetR(raster[i]), alpha);
      out[1] = divided(TIFFGetG(raster[i]), alpha);
      out[2] = divided(TIFFGetB(raster[i]), alpha);
    }
  }
  return bitmap;
}

}  // namespace ovii2v::picture
