// Limits that do not hide what is no number.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/sub.h>

namespace ovi::nn {

/// 0 where x is a number, NaN where it is infinite or NaN: added to what a limit makes of x, it
/// keeps damaged weights from passing as a loud sound or a white picture.
inline at::Tensor lost_numbers(const at::Tensor& x) { return at::sub(x, x); }

/// x within [-limit, limit], in place; Inf becomes NaN.
inline at::Tensor clamp_numbers_(at::Tensor x, double limit) {
  const at::Tensor lost = lost_numbers(x);
  return x.clamp_(-limit, limit).add_(lost);
}

}  // namespace ovi::nn
