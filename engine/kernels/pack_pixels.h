// Decoded frames as bytes of a pixel format.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/pixels.h"

namespace ovi::kernels {

/// video [3, T, H, W] in -1..1 (clipped), float32 or bfloat16, of any strides, H even and
/// W a multiple of 4 -> uint8 [T, bytes of a frame] on video's device, planes directly
/// after each other. RGB to Y'CbCr as in ITU-R BT.709-6 (limited range); chroma is
/// averaged over two rows and, sited left as in MPEG-2, over three columns (1 2 1).
at::Tensor pack_pixels(const at::Tensor& video, Pixels pixels);

/// With ATen's operations: what runs without libovii2v-cuda. The same bytes.
namespace twin {
at::Tensor pack_pixels(const at::Tensor& video, Pixels pixels);
}

/// The GPU kernel's body on the host: what runs on the CPU.
namespace host {
at::Tensor pack_pixels(const at::Tensor& video, Pixels pixels);
}

}  // namespace ovi::kernels
