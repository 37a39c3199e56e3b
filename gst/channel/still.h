// A picture as a frame of a clip: what is shown while none is there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include "picture/picture.h"
#include "ovi/engine.h"

namespace ovii2v {

/// A frame as `plan` and `format` say, without timestamps: `image` stretched to its size, or
/// black when null. The caller unrefs it.
GstBuffer* still_frame(const Image* image, const ovi_plan& plan, ovi_pixel_format format);

}  // namespace ovii2v
