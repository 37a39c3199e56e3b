// Convolution for activations of one clip (batch 1).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include <cstdint>

namespace ovi::nn {

/// Cross-correlation with zero padding over the last two or three dimensions,
/// as torch.nn.functional.conv2d and conv3d.
/// x [N, in, (T,) H, W], weight [out, in / groups, (kt,) kh, kw], bias [out] or undefined
/// -> [N, out, ...], in x's memory format where the library has a choice.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                    int64_t groups = 1);

}  // namespace ovi::nn
