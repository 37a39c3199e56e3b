// What a TIFF says of its samples, and the kinds of them that libtiff makes no colours of.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tiffio.h>

#include <string>

#include "bitmap.h"

namespace ovii2v::picture {

/// From the tags of a directory (TIFF 6.0; libtiff's numbers).
struct Samples {
  uint16_t bits = 1, count = 1;  // of one sample; samples a pixel
  uint16_t format = SAMPLEFORMAT_UINT;
  uint16_t colors = PHOTOMETRIC_MINISBLACK;  // photometric interpretation
  uint16_t planes = PLANARCONFIG_CONTIG;
  uint16_t compression = COMPRESSION_NONE;

  explicit Samples(TIFF* tiff);
  /// "32-bit floating-point samples, 3 a pixel (RGB)".
  std::string text() const;
};

/// Whether read_samples() is to read them, not libtiff: what it does not take, or takes wrongly.
bool are_own(const Samples& samples);

/// Fills a bitmap of the picture's size. Unsigned samples of up to 16 bits are scaled to 8. What
/// white is of others no tag says: they are taken as they are where they lie in 0 to 255, the way
/// of PIL, and refused elsewhere. Throws Refusal; kBroken where `said` holds libtiff's error.
void read_samples(TIFF* tiff, const Samples& samples, Bitmap& bitmap, const std::string& said);

}  // namespace ovii2v::picture
