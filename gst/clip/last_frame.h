// The last frame of a clip as the picture the next one begins with.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <functional>
#include <utility>

#include "ovi/engine.h"
#include "picture/picture.h"

namespace ovii2v {

/// Of a frame in the format that was negotiated, stretched to `width` x `height`.
Image picture_of(GstBuffer* frame, ovi_pixel_format format, const ovi_plan& plan, uint32_t width,
                 uint32_t height);

/// The size a picture must have for a clip of exactly `width` x `height`: those, or the
/// nearest that `gives` (the engine's plan) calls right; the engine picks a size by area
/// and shape, and need not pick the one it picked before. They, when none is near.
std::pair<uint32_t, uint32_t> picture_size_for(
    uint32_t width, uint32_t height, const std::function<bool(uint32_t, uint32_t)>& gives);

}  // namespace ovii2v
