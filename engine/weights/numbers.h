// NaN and Inf among values on the host, at the speed of memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace ovi {

/// Whether each value is a number, neither NaN nor Inf. `values`: on the host, contiguous, of any
/// dtype; an integer is always one. On the calling thread alone, so that threads that read may ask.
bool holds_numbers(const at::Tensor& values);

/// The same on LibTorch's threads.
bool holds_numbers_in_parallel(const at::Tensor& values);

}  // namespace ovi
