// SPDX-License-Identifier: Apache-2.0
#include "nn/big_linear.h"

#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>

#include "kernels/float8_rows.h"
#include "nn/float8_product.h"
#include "nn/gelu_epilogue.h"
#include "nn/int8_product.h"

namespace ovi::nn {
namespace {

constexpr int64_t kFloat8Multiple = 16;  // of both sizes of a matrix of 8-bit floats

/// float32 [1, out] from one scale or one for each output.
at::Tensor factors_of(const QuantizedTensor& stored, int64_t out) {
  return stored.scales.reshape({1, -1}).expand({1, out}).contiguous();
}

}  // namespace

BigLinear::BigLinear(const Weights& weights, int64_t out, int64_t in) {
  const std::vector<int64_t> shape = weights.shape("weight", 2);
  const bool fits = shape[0] % kFloat8Multiple == 0 && shape[1] % kFloat8Multiple == 0;
  const Placement& placement = weights.placement();
  const auto stored =
      placement.float8_matrices && fits ? weights.quantized("weight") : std::nullopt;
  const bool as_stored =
      stored && (stored->values.scalar_type() == at::kFloat8_e4m3fn ||
                 (stored->values.scalar_type() == at::kChar && placement.int8_matrices));
  if (!placement.float8_matrices || !fits) {
    weight_ = weights.get("weight", {out, in});
  } else if (as_stored) {
    weight_ = weights.get_values("weight", {out, in});
    factors_ = weights.derive({"weight factors"}, [&] {
      return std::vector<at::Tensor>{factors_of(*stored, shape[0]).to(placement.device)};
    })[0];
  } else if (weights.stored_dtype("weight") == at::kFloat8_e4m3fn) {
    weight_ = weights.get_as("weight", {out, in}, at::kFloat8_e4m3fn);
    factors_ = weights.derive({"weight factors"}, [&] {
      const auto options = at::TensorOptions().dtype(at::kFloat);
      return std::vector<at::Tensor>{
          at::ones({1, shape[0]}, options.device(weights.placement().device))};
    })[0];
  } else {
    const auto made = weights.derive({"weight values", "weight factors"}, [&] {
      const kernels::Float8Rows rows =
          kernels::to_float8(weights.get_temporary("weight", {out, in}));
      return std::vector<at::Tensor>{rows.values, rows.factors.view({1, shape[0]})};
    });
    weight_ = made[0];
    factors_ = made[1];
  }
  bias_ = weights.get_optional("bias", {shape[0]});
}

at::Tensor BigLinear::operator()(const Activations& x) const {
  if (factors_.defined() && takes() == RowFormat::kPlain) {
    return int8_product(x.values, weight_, factors_, bias_);
  }
  if (takes() == RowFormat::kPlain) {
    return at::linear(x.values, weight_,
                      bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt);
  }
  if (x.format() == RowFormat::kPlain) return (*this)(Activations(kernels::to_float8(x.values)));
  return float8_product(float8_product_of(x.values.device()), x.values, x.factors, weight_,
                        factors_, bias_);
}

Activations BigLinear::gelu(const Activations& x, const BigLinear& next) const {
  if (next.takes() == RowFormat::kFloat8) return kernels::gelu_to_float8((*this)(x));
  if (!factors_.defined() && bias_.defined() && x.values.scalar_type() == at::kBFloat16 &&
      has_gelu_epilogue(x.values.device())) {
    return at::_addmm_activation(bias_, x.values, weight_.t(), /*beta=*/1, /*alpha=*/1,
                                 /*use_gelu=*/true);
  }
  at::Tensor y = (*this)(x);
  return at::gelu_(y, "tanh");
}

}  // namespace ovi::nn
