// One still picture from a file in memory: the door to all decoders.
// SPDX-License-Identifier: Apache-2.0
#include "still.h"

#include <new>
#include <stdexcept>

#include "decoders.h"
#include "orientation.h"

namespace ovii2v::picture {
namespace {

using Decoder = Bitmap (*)(Bytes, const Limits&);

bool is_heif(const Bytes& head) {
  if (!head.starts(4, "ftyp")) return false;
  for (const char* brand : {"avif", "avis", "heic", "heix", "hevc", "hevx", "heim", "heis", "mif1",
                            "msf1", "miaf", "mif2"})
    if (head.starts(8, brand)) return true;
  return false;
}

Decoder decoder_of(const Bytes& head) {
  if (head.starts(0, "\xFF\xD8\xFF")) return decode_jpeg;
  if (head.starts(0, "\x89PNG\r\n\x1a\n")) return decode_png;
  if (head.starts(0, "RIFF") && head.starts(8, "WEBP")) return decode_webp;
  if (head.starts(0, "GIF87a") || head.starts(0, "GIF89a")) return decode_gif;
  if (head.starts(0, {"II*\0", 4}) || head.starts(0, {"MM\0*", 4}) ||
      head.starts(0, {"II+\0", 4}) || head.starts(0, {"MM\0+", 4}))
    return decode_tiff;
  if (head.starts(0, "BM")) return decode_bmp;
  if (is_heif(head)) return decode_heif;
  return nullptr;
}

}  // namespace

Decoded no_picture(Outcome outcome, std::string text) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = ' ';
  Decoded decoded;
  decoded.outcome = outcome;
  decoded.text = std::move(text);
  return decoded;
}

bool is_still(std::span<const uint8_t> head) { return decoder_of({head}); }

Decoded decode_still(std::span<const uint8_t> file, const Limits& limits) noexcept {
  Decoded decoded;
  auto refuse = [&decoded](Outcome outcome, const char* text) {
    decoded = no_picture(outcome, text);
  };
  try {
    const Decoder decode = decoder_of({file});
    if (!decode) {
      refuse(Outcome::kNotAPicture, "it is of no kind that is read");
      return decoded;
    }
    Bitmap bitmap = decode({file}, limits);
    turn_upright(bitmap);
    decoded.outcome = Outcome::kPicture;
    decoded.width = bitmap.width, decoded.height = bitmap.height;
    decoded.rgb = std::move(bitmap.rgb);
  } catch (const Refusal& refusal) {
    refuse(refusal.outcome(), refusal.what());
  } catch (const std::bad_alloc&) {
    refuse(Outcome::kNoMemory, "it takes more memory than a picture may");
  } catch (const std::exception& error) {
    refuse(Outcome::kFailed, error.what());
  }
  return decoded;
}

}  // namespace ovii2v::picture
