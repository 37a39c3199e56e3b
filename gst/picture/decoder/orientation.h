// Which way up a picture is, from what its file says beside the pixels; and turning it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "bitmap.h"
#include "bytes.h"

namespace ovii2v::picture {

/// The Orientation tag (0x0112) of an EXIF block, with or without "Exif\0\0" before it; as PIL, of
/// any type that is a number, the first of several, the last of several tags; 1 when it says
/// anything but 1 to 8, which XMP does not mend either. 0 when there is none.
int exif_orientation(Bytes exif);

/// `tiff:Orientation` of an XMP packet, as an attribute or an element; 0 when there is none.
int xmp_orientation(std::string_view xmp);

/// The EXIF block in the text of a PNG chunk "Raw profile type exif" or "Raw profile type APP1":
/// a line with the name, one with the size, then hexadecimal digits. 0 as exif_orientation().
int raw_profile_orientation(std::string_view text);

/// EXIF goes before XMP.
inline int orientation_of(int exif, int xmp) { return exif ? exif : xmp ? xmp : 1; }

/// Turns the pixels upright by `bitmap.orientation`, which is 1 then; swaps the sides for 5 to 8.
void turn_upright(Bitmap& bitmap);

}  // namespace ovii2v::picture
