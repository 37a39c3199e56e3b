// SPDX-License-Identifier: Apache-2.0
#include "nn/float8_product.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_mm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <c10/util/Exception.h>

#include "kernels/float8_rows.h"
#include "runtime/device.h"
#include "runtime/per_device.h"

namespace ovi::nn {
namespace {

// 8-bit values of the right scale give sums that bfloat16 holds; they are rounded to it
// once more when the factors are applied.
at::Tensor apply_factors(const at::Tensor& sums, const at::Tensor& x_factors,
                         const at::Tensor& w_factors, const at::Tensor& bias) {
  at::Tensor y = sums * x_factors * w_factors;
  if (bias.defined()) y.add_(bias);
  return y.to(at::kBFloat16);
}

Float8Choice choose_for(const c10::Device& device) {
  // Rows and columns of very different sizes, so that no factor can be forgotten, and sizes
  // that fill no tile.
  constexpr int64_t kRows = 157, kColumns = 272, kDepth = 528;
  constexpr double kTolerance = 0.01;  // bfloat16 rounds to 0.002 of the value
  const at::Generator random = make_generator(device, 0);
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const auto sizes = [&](int64_t count) {
    return at::pow(10.0, at::rand({count, 1}, random, options) * 4 - 2);
  };
  const auto x = kernels::to_float8(at::randn({kRows, kDepth}, random, options) * sizes(kRows));
  const auto w =
      kernels::to_float8(at::randn({kColumns, kDepth}, random, options) * sizes(kColumns));
  const at::Tensor w_factors = w.factors.t().contiguous();
  const at::Tensor bias = at::randn({kColumns}, random, options).to(at::kBFloat16);

  const auto wide = [](const at::Tensor& t) { return t.to(at::kCPU).to(at::kDouble); };
  const at::Tensor rows = wide(x.values) * wide(x.factors);
  const at::Tensor truth = at::matmul(rows, (wide(w.values) * wide(w.factors)).t()) + wide(bias);
  Trial trial;
  trial.tolerance = kTolerance;
  // Row by row and column by column: the large ones would hide the small.
  const at::Tensor typical = wide(x.factors) * wide(w_factors) + 1e-3;
  trial.error = [&](const at::Tensor& y) {
    return relative_error(wide(y) / typical, truth / typical);
  };

  std::string note;
  const Float8Product chosen = choose_float8_product(
      [&](Float8Product product) {
        return try_out(
            [&] { return float8_product(product, x.values, x.factors, w.values, w_factors, bias); },
            trial);
      },
      &note);
  if (device.is_cuda() && chosen != Float8Product::kRowwise) {
    TORCH_WARN("8-bit matrix products take a slower way on ", device.str(), ": ", note,
               ". Another version of LibTorch may do better.");
  }
  return {chosen, note};
}

PerDevice<Float8Choice>& choices() {
  static PerDevice<Float8Choice> made;
  return made;
}

}  // namespace

const char* name_of(Float8Product product) {
  switch (product) {
    case Float8Product::kRowwise:
      return "rowwise";
    case Float8Product::kUnscaled:
      return "unscaled";
    case Float8Product::kWidened:
      break;
  }
  return "widened";
}

at::Tensor float8_product(Float8Product product, const at::Tensor& x, const at::Tensor& x_factors,
                          const at::Tensor& w, const at::Tensor& w_factors,
                          const at::Tensor& bias) {
  const at::ScalarType wide = x.is_cpu() ? at::kFloat : at::kBFloat16;
  switch (product) {
    case Float8Product::kRowwise:
      return at::_scaled_mm(x, w.t(), x_factors, w_factors,
                            bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt,
                            /*scale_result=*/std::nullopt, at::kBFloat16, /*use_fast_accum=*/true);
    case Float8Product::kUnscaled: {
      const at::Tensor one = at::ones({}, x_factors.options());
      return apply_factors(at::_scaled_mm(x, w.t(), one, one, /*bias=*/std::nullopt,
                                          /*scale_result=*/std::nullopt, wide,
                                          /*use_fast_accum=*/true),
                           x_factors, w_factors, bias);
    }
    case Float8Product::kWidened:
      break;
  }
  return apply_factors(at::matmul(x.to(wide), w.to(wide).t()), x_factors, w_factors, bias);
}

Float8Product choose_float8_product(const std::function<Verdict(Float8Product)>& probe,
                                    std::string* note) {
  std::string found;
  for (const Float8Product product : {Float8Product::kRowwise, Float8Product::kUnscaled}) {
    const Verdict verdict = probe(product);
    if (verdict.good) {
      if (note) *note = found;
      return product;
    }
    found += std::string(found.empty() ? "" : "; ") + "its " + name_of(product) + " product " +
             verdict.problem;
  }
  if (note) *note = found;
  return Float8Product::kWidened;
}

Float8Product float8_product_of(const c10::Device& device) {
  return choices().get(device, choose_for).product;
}

const Float8Choice* known_float8_choice(const c10::Device& device) {
  return choices().known(device);
}

}  // namespace ovi::nn
