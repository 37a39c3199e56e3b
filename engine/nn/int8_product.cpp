// SPDX-License-Identifier: Apache-2.0
#include "nn/int8_product.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_int_mm.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "runtime/device.h"
#include "runtime/per_device.h"
#include "runtime/trial.h"

namespace ovi::nn {
namespace {

constexpr double kLargest = 127;
constexpr int64_t kFewestRows = 32;           // cuBLAS takes no less than 17
constexpr int64_t kSlice = int64_t{1} << 24;  // sums at once
constexpr int64_t kTrialRows = 157, kTrialColumns = 272, kTrialDepth = 528;

at::Tensor rows_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& w_factors,
                        const at::Tensor& bias) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor largest = wide.abs().amax({1}, true);
  const at::Tensor factors = at::where(largest > 0, largest / kLargest, 1.0);
  at::Tensor values = (wide / factors).round_().to(at::kChar);
  const int64_t rows = values.size(0);
  if (rows < kFewestRows) values = at::constant_pad_nd(values, {0, 0, 0, kFewestRows - rows});
  const at::Tensor sums = at::_int_mm(values, w.t()).narrow(0, 0, rows);
  at::Tensor y = sums.to(at::kFloat).mul_(factors).mul_(w_factors);
  if (bias.defined()) y.add_(bias);
  return y;
}

bool try_on(const c10::Device& device) {
  constexpr double kTolerance = 0.02;  // rows are rounded to a 254th of their largest value
  const at::Generator random = make_generator(device, 0);
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const at::Tensor x = at::randn({kTrialRows, kTrialDepth}, random, options) *
                       at::pow(10.0, at::rand({kTrialRows, 1}, random, options) * 4 - 2);
  const at::Tensor w =
      at::randint(-127, 128, {kTrialColumns, kTrialDepth}, random, options.dtype(at::kInt))
          .to(at::kChar);
  const at::Tensor factors = at::pow(10.0, at::rand({1, kTrialColumns}, random, options) * 4 - 2);
  const auto far = [](const at::Tensor& t) { return t.to(at::kCPU).to(at::kDouble); };
  const at::Tensor truth = at::matmul(far(x), far(w).t());
  const at::Tensor typical = far(x).abs().amax({1}, true);
  Trial trial;
  trial.tolerance = kTolerance;
  trial.error = [&](const at::Tensor& y) {
    return relative_error(far(y) / far(factors) / typical, truth / typical);
  };
  return try_out([&] { return int8_product(x, w, factors, {}); }, trial).good;
}

}  // namespace

at::Tensor int8_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& w_factors,
                        const at::Tensor& bias) {
  const int64_t rows = x.size(0), columns = w.size(0);
  const int64_t together = std::max(kFewestRows, kSlice / std::max(columns, x.size(1)));
  at::Tensor y = at::empty({rows, columns}, x.options());
  for (int64_t first = 0; first < rows; first += together) {
    const int64_t count = std::min(together, rows - first);
    y.narrow(0, first, count).copy_(rows_product(x.narrow(0, first, count), w, w_factors, bias));
  }
  return y;
}

bool has_int8_product(const c10::Device& device) {
  static PerDevice<bool> known;
  return known.get(device, try_on);
}

}  // namespace ovi::nn
