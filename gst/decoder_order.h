// Which decoder a picture is given to.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

namespace ovii2v {

/// Puts first what gives the pixels that libjpeg and libpng give. jpegdec halves the
/// chroma of 4:4:4 files and pngdec mixes up 16-bit ones; they are for want of better.
/// Null: `factories` are as they should be. For decodebin's "autoplug-sort".
GValueArray* exact_decoders_first(GstCaps* caps, GValueArray* factories);

}  // namespace ovii2v
