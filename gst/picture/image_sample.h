// A picture that an application has in memory: the property "image-sample".
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>

#include "picture/picture.h"

namespace ovii2v {

/// What can be told without touching the pixels: raw video in system memory, of a size and layout
/// that lies within the buffer.
std::optional<Failure> check_image_sample(GstSample* sample);

/// 8-bit sRGB of any raw video: matrix and range as the caps say, square pixels, cropped as a
/// GstVideoCropMeta says; alpha is ignored. Nothing with `failure` set.
std::optional<Image> read_image_sample(GstSample* sample, std::optional<Failure>& failure);

}  // namespace ovii2v
