// The video VAE's decoder written the plain way, as truth for the streaming one: the
// whole clip at once, channels first, explicit padding, every convolution over all
// frames, shortcuts by repeating.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "weights/tensor_source.h"

namespace ovi::testing {

/// latents [1, 48, F, h, w], normalised
/// -> [1, 3, 1 + 4 (F - 1), 16h, 16w], clamped to -1..1.
at::Tensor decode_whole_clip(const TensorSource& weights, const at::Tensor& latents);

}  // namespace ovi::testing
