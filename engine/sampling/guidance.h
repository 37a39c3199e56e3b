// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/linear_combination.h"

namespace ovi {

/// Classifier-free guidance (Ho and Salimans 2022): negative + scale (positive -
/// negative). Contiguous float32 of one shape; scale 1 is the positive prediction.
inline at::Tensor guide(const at::Tensor& positive, const at::Tensor& negative, double scale) {
  return kernels::linear_combination({{scale, positive}, {1.0 - scale, negative}});
}

}  // namespace ovi
