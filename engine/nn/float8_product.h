// The product of two matrices of 8-bit floats, in the way that a device does right.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <string>

#include "runtime/trial.h"

namespace ovi::nn {

/// Ways to compute it, fastest first.
enum class Float8Product {
  kRowwise,   // LibTorch applies the factors in the product's epilogue
  kUnscaled,  // LibTorch multiplies the 8-bit values, the factors are applied afterwards
  kWidened,   // the values are widened for a product of bfloat16 (on a CPU of float32)
};
const char* name_of(Float8Product product);

/// x W^T + bias, rounded to bfloat16. x and W hold e4m3 [L, K] and [N, K], K and N
/// multiples of 16; row i of x W^T is to be multiplied with x_factors [L, 1], column j with
/// w_factors [1, N], both float32; bias bfloat16 [N] or undefined.
at::Tensor float8_product(Float8Product product, const at::Tensor& x, const at::Tensor& x_factors,
                          const at::Tensor& w, const at::Tensor& w_factors, const at::Tensor& bias);

/// The first way that `probe` finds good, kWidened at last; `note` (may be null) gets what
/// was wrong with those before it.
Float8Product choose_float8_product(const std::function<Verdict(Float8Product)>& probe,
                                    std::string* note);

/// The choice for a device, tried once in a process with a small product; says once, as a
/// warning, when a GPU does not do its fastest way right. Synchronises at the first call.
Float8Product float8_product_of(const c10::Device& device);

struct Float8Choice {
  Float8Product product;
  std::string note;  // what was wrong with faster ways
};
/// The choice that was made for a device; null when none was.
const Float8Choice* known_float8_choice(const c10::Device& device);

}  // namespace ovi::nn
