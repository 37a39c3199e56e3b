// The pixels of a JPEG file as libjpeg gives them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/video/video.h>

#include <cstdint>
#include <vector>

namespace ovii2v {

/// Whether ycbcr_to_rgb() is for such frames: I420, Y42B or Y444 with the full-range
/// BT.601 matrix, chroma between the luma samples (JFIF 1.02).
bool is_jfif(const GstVideoInfo& info);

/// [height, width, 3] sRGB. Chroma is interpolated with a triangle filter in both
/// directions (libjpeg's "fancy upsampling"); videoconvert's short cut repeats it,
/// which costs some 10 dB at coloured edges.
std::vector<uint8_t> ycbcr_to_rgb(const GstVideoFrame& frame);

}  // namespace ovii2v
