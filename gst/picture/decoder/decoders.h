// One function a kind of file: each takes the whole file and gives its first picture as stored,
// with the orientation that the file states. All throw Refusal.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bitmap.h"
#include "bytes.h"

namespace ovii2v::picture {

/// Every sampling, colour space and process that libjpeg-turbo knows, 8 bits a sample (ITU-T T.81).
Bitmap decode_jpeg(Bytes file, const Limits& limits);
/// Any colour type and depth; of 16 bits the upper 8. Gamma and profiles are not applied.
Bitmap decode_png(Bytes file, const Limits& limits);
/// Of an animation the first frame.
Bitmap decode_webp(Bytes file, const Limits& limits);
/// The first frame on its canvas.
Bitmap decode_gif(Bytes file, const Limits& limits);
/// Windows and OS/2 bitmaps, 1 to 32 bits a pixel, RLE4, RLE8 and bit fields.
Bitmap decode_bmp(Bytes file, const Limits& limits);
/// The first directory. Samples of up to 16 bits are scaled to 8; others: tiff_samples.h.
Bitmap decode_tiff(Bytes file, const Limits& limits);
/// AVIF and HEIC, the primary picture.
Bitmap decode_heif(Bytes file, const Limits& limits);
/// Loads what libheif loads at run time; before the process gives up opening files.
void prepare_heif();

}  // namespace ovii2v::picture
