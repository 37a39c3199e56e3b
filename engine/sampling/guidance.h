// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/sub.h>

namespace ovi {

/// Classifier-free guidance (Ho and Salimans 2022): negative + scale (positive -
/// negative). All of one shape; scale 1 is the positive prediction.
inline at::Tensor guide(const at::Tensor& positive, const at::Tensor& negative, double scale) {
  return at::sub(positive, negative).mul_(scale).add_(negative);
}

/// The same from an earlier step's `difference` = positive - negative: positive + (scale - 1)
/// difference.
inline at::Tensor guide_by(const at::Tensor& difference, const at::Tensor& positive,
                           double scale) {
  return at::add(positive, difference, scale - 1.0);
}

}  // namespace ovi
