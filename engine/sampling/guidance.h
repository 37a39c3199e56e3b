// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/sub.h>

namespace ovi {

/// Classifier-free guidance (Ho and Salimans 2022): negative + scale (positive -
/// negative). All of one shape; scale 1 is the positive prediction.
inline at::Tensor guide(const at::Tensor& positive, const at::Tensor& negative, double scale) {
  return at::sub(positive, negative).mul_(scale).add_(negative);
}

}  // namespace ovi
