// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/frame_size.h"

namespace ovi {

/// rgb [h, w, 3] uint8 -> [1, 3, H, W] float32 in -1..1, bicubic (without
/// antialiasing, corners not aligned; its overshoot is kept) where the size differs.
/// On rgb's device.
at::Tensor prepare_first_frame(const at::Tensor& rgb, const FrameSize& size);

}  // namespace ovi
