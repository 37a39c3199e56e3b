// A frame of a film as 8-bit RGB, in the numbers that its stream means.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include "bitmap.h"

namespace ovii2v::picture {

/// A raw frame, or a JPEG of its own. Throws Refusal. Of a stream that is silent about it, matrix
/// and range are GStreamer's choice; the transfer function stays as it is.
Bitmap frame_of_film(GstSample* sample, const Limits& limits);

}  // namespace ovii2v::picture
