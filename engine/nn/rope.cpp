// SPDX-License-Identifier: Apache-2.0
#include "nn/rope.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/zeros.h>

#include <vector>

namespace ovi::nn {
namespace {

constexpr double kTheta = 10000.0;

// float64 [length, pairs]: position * theta^(-i / pairs) * scaling.
at::Tensor angles(int64_t length, int64_t pairs, double scaling) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor exponents = at::arange(pairs, options) / static_cast<double>(pairs);
  return at::outer(at::arange(length, options), at::pow(kTheta, -exponents) * scaling);
}

// Angles need float64 (positions times small frequencies); their rotations do not.
RopeTable to_table(const at::Tensor& angle, c10::Device device) {
  return {at::polar(at::ones_like(angle), angle).to(at::kComplexFloat).unsqueeze(1).to(device)};
}

}  // namespace

RopeTable rope_table_3d(int64_t head_dim, int64_t frames, int64_t rows, int64_t columns,
                        c10::Device device) {
  const int64_t pairs = head_dim / 2, spatial = head_dim / 6, temporal = pairs - 2 * spatial;
  const std::vector<int64_t> grid = {frames, rows, columns};
  const auto spread = [&](int64_t axis, int64_t length, int64_t n) {
    std::vector<int64_t> view = {1, 1, 1, n}, full = grid;
    view[axis] = length;
    full.push_back(n);
    return angles(length, n, 1.0).view(view).expand(full);
  };
  const at::Tensor angle = at::cat(
      {spread(0, frames, temporal), spread(1, rows, spatial), spread(2, columns, spatial)}, 3);
  return to_table(angle.reshape({frames * rows * columns, pairs}), device);
}

RopeTable rope_table_1d(int64_t head_dim, int64_t length, double scaling, c10::Device device) {
  const int64_t still = 2 * (head_dim / 6), turned = head_dim / 2 - still;
  const at::Tensor angle =
      at::cat({angles(length, turned, scaling),
               at::zeros({length, still}, at::TensorOptions().dtype(at::kDouble))},
              1);
  return to_table(angle, device);
}

at::Tensor rope(const at::Tensor& x, const RopeTable& table) {
  const at::Tensor pairs = at::view_as_complex(x.to(at::kFloat).unflatten(-1, {-1, 2}));
  return at::view_as_real(pairs * table.rotations).flatten(-2).to(x.scalar_type());
}

}  // namespace ovi::nn
