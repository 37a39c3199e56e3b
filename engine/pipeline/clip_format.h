// From decoded tensors to bytes a host can use as they are.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "pipeline/request.h"

namespace ovi {

/// Where the planes of a packed frame lie: GStreamer's default layout for widths
/// that are multiples of 32 and even heights.
struct FrameLayout {
  int64_t planes = 1;
  std::array<int64_t, 4> offset{};  // bytes
  std::array<int64_t, 4> stride{};  // bytes
  int64_t bytes = 0;
};
FrameLayout frame_layout(PixelFormat format, int64_t height, int64_t width);

/// video [1, 3, T, H, W] in -1..1 -> uint8 [T, frame_layout().bytes], where the
/// video lies. RGB to YUV as in ITU-R BT.709 (limited range);
/// chroma is averaged over two rows and, sited left as in MPEG-2, over three columns.
at::Tensor pack_frames(const at::Tensor& video, PixelFormat format);

/// audio [N] -> float32 or int16 [N], where it lies; int16 is clipped.
at::Tensor pack_samples(const at::Tensor& audio, SampleFormat format);

}  // namespace ovi
