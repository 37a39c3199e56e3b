// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "sampling/linear_combination.h"

namespace ovi {

/// Classifier-free guidance (Ho and Salimans 2022): negative + scale (positive -
/// negative). Contiguous float32 of one shape; scale 1 is the positive prediction.
inline at::Tensor guide(const at::Tensor& positive, const at::Tensor& negative, double scale) {
  return linear_combination({{scale, positive}, {1.0 - scale, negative}});
}

/// The same from an earlier step's `difference` = positive - negative: positive + (scale - 1)
/// difference.
inline at::Tensor guide_by(const at::Tensor& difference, const at::Tensor& positive,
                           double scale) {
  return linear_combination({{1.0, positive}, {scale - 1.0, difference}});
}

}  // namespace ovi
