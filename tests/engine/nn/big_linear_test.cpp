// Large linear layers, plain and of 8-bit floats, against float64.
// SPDX-License-Identifier: Apache-2.0
#include "nn/big_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../memory_source.h"
#include "nn/float8_product.h"
#include "nn/int8_product.h"
#include "nn/norm.h"
#include "runtime/trial.h"
#include "weights/layouts/arranged_tensors.h"

namespace ovi::nn {
namespace {

constexpr int64_t kIn = 256, kOut = 192, kRows = 37;

Weights weights_of(std::map<std::string, at::Tensor> tensors, bool float8,
                   at::ScalarType dtype = at::kBFloat16) {
  Placement placement{dtype, c10::kCPU, {}};
  placement.float8_matrices = float8;
  return Weights(std::make_shared<test::MemorySource>(std::move(tensors)), placement);
}

at::Tensor wide(const at::Tensor& x) { return x.to(at::kDouble); }

at::Tensor gelu_truth(const at::Tensor& x) {
  return 0.5 * x * (1 + at::tanh(0.7978845608028654 * (x + 0.044715 * at::pow(x, 3))));
}

struct BigLinearTest : testing::Test {
  // Rows of sizes from 0.1 to 10: a factor for the whole matrix would lose the small ones.
  at::Tensor sizes(int64_t count) { return at::pow(10.0, at::linspace(-1, 1, count)).unsqueeze(1); }
  at::Tensor w = (at::randn({kOut, kIn}) * sizes(kOut)).to(at::kBFloat16);
  at::Tensor b = (at::randn({kOut}) * sizes(kOut).squeeze(1)).to(at::kBFloat16);
  at::Tensor x = (at::randn({kRows, kIn}) * sizes(kRows)).to(at::kBFloat16);
  at::Tensor truth = at::matmul(wide(x), wide(w).t()) + wide(b);
  // Errors are judged by the size that an entry of this row and column has.
  at::Tensor typical = (sizes(kRows) * sizes(kOut).t() * std::sqrt(kIn)).to(at::kDouble);

  double error(const at::Tensor& y) { return relative_error(wide(y) / typical, truth / typical); }
};

// Rounding to three mantissa bits is off by at most 1/16 and, spread evenly within a step,
// by 0.026 of a value; that of two independent operands adds up to 0.037, whatever the
// number of terms.
constexpr double kFloat8Error = 0.037;

TEST_F(BigLinearTest, IsAsExactAsEightBitsAre) {
  const BigLinear linear(weights_of({{"weight", w}, {"bias", b}}, true), kOut, kIn);
  EXPECT_EQ(linear.takes(), RowFormat::kFloat8);
  EXPECT_EQ(linear.in_features(), kIn);
  EXPECT_EQ(linear.out_features(), kOut);
  const at::Tensor y = linear(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_LT(error(y), 1.2 * kFloat8Error);
  EXPECT_GT(error(y), 0.3 * kFloat8Error);  // it does compute in 8 bits
  // The same when the rows were quantised by whoever made them.
  EXPECT_TRUE(y.equal(linear(kernels::to_float8(x))));
  const BigLinear bare(weights_of({{"weight", w}}, true));
  EXPECT_LT(relative_error(wide(bare(x)) / typical, (truth - wide(b)) / typical),
            1.2 * kFloat8Error);
}

TEST_F(BigLinearTest, IsALinearLayerWhereNothingElseIsWished) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const BigLinear linear(weights_of({{"weight", w}, {"bias", b}}, false, dtype), kOut, kIn);
    EXPECT_EQ(linear.takes(), RowFormat::kPlain);
    EXPECT_LT(error(linear(x.to(dtype))), dtype == at::kFloat ? 1e-6 : 0.004);
  }
}

TEST_F(BigLinearTest, StaysPlainWhereTheSizesDoNotFit) {
  const BigLinear linear(
      weights_of({{"weight", w.narrow(0, 0, 24)}, {"bias", b.narrow(0, 0, 24)}}, true), 24, kIn);
  EXPECT_EQ(linear.takes(), RowFormat::kPlain);
  EXPECT_EQ(linear(x).size(1), 24);
}

TEST_F(BigLinearTest, TakesAFilesEightBitFloatsAsTheyAre) {
  const at::Tensor stored = w.to(at::kFloat8_e4m3fn);
  const BigLinear linear(weights_of({{"weight", stored}, {"bias", b}}, true), kOut, kIn);
  const at::Tensor rounded = wide(stored);
  // Only the activations are rounded here: against the same weights the error is theirs.
  const at::Tensor exact = at::matmul(wide(x), rounded.t()) + wide(b);
  EXPECT_LT(relative_error(wide(linear(x)) / typical, exact / typical), 0.026 * 1.2);
  // And the plain layer reads the same file.
  const BigLinear plain(weights_of({{"weight", stored}, {"bias", b}}, false), kOut, kIn);
  EXPECT_LT(relative_error(wide(plain(x)) / typical, exact / typical), 0.004);
}

// Weights with scales as a file stores them.
Weights stored_weights(const at::Tensor& values, const at::Tensor& scale, const at::Tensor& bias,
                       bool float8, bool int8) {
  const auto file = std::make_shared<test::MemorySource>(std::map<std::string, at::Tensor>{
      {"weight", values}, {"scale_weight", scale}, {"bias", bias}});
  const auto arranged = std::make_shared<ArrangedTensors>("made-up");
  arranged->add("weight", file, "weight", "scale_weight");
  arranged->add("bias", file, "bias");
  Placement placement{at::kBFloat16, c10::kCPU, {}};
  placement.float8_matrices = float8;
  placement.int8_matrices = int8;
  return Weights(arranged, placement);
}

TEST_F(BigLinearTest, TakesAFilesScaledFloatsAsTheyAre) {
  const at::Tensor scale = wide(w).abs().max().to(at::kFloat) / 448.0;
  const at::Tensor values = (w.to(at::kFloat) / scale).to(at::kFloat8_e4m3fn);
  const at::Tensor meant = wide(values) * wide(scale);
  const at::Tensor exact = at::matmul(wide(x), meant.t()) + wide(b);
  const auto off = [&](const at::Tensor& y) {
    return relative_error(wide(y) / typical, exact / typical);
  };
  // To the bit what the product gives of the stored values: nothing was rounded on their way.
  const BigLinear linear(stored_weights(values, scale, b, true, false), kOut, kIn);
  EXPECT_EQ(linear.takes(), RowFormat::kFloat8);
  const kernels::Float8Rows rows = kernels::to_float8(x);
  EXPECT_TRUE(linear(rows).equal(float8_product(float8_product_of(c10::kCPU), rows.values,
                                                rows.factors, values,
                                                scale.expand({1, kOut}).contiguous(), b)));
  EXPECT_LT(off(linear(x)), 0.026 * 1.2);  // the rows alone are rounded
  // Without 8-bit products: value * scale, rounded once.
  const BigLinear plain(stored_weights(values, scale, b, false, false), kOut, kIn);
  EXPECT_EQ(plain.takes(), RowFormat::kPlain);
  EXPECT_TRUE(plain(x).equal(at::linear(x, meant.to(at::kFloat).to(at::kBFloat16), b)));
}

TEST_F(BigLinearTest, TakesAFilesIntegersAsTheyAre) {
  const at::Tensor scale = w.to(at::kFloat).abs().amax({1}, true) / 127.0;
  const at::Tensor values = (w.to(at::kFloat) / scale).round().to(at::kChar);
  const at::Tensor exact = at::matmul(wide(x), (wide(values) * wide(scale)).t()) + wide(b);
  const auto off = [&](const at::Tensor& y) {
    return relative_error(wide(y) / typical, exact / typical);
  };
  ASSERT_TRUE(has_int8_product(c10::kCPU));
  const BigLinear linear(stored_weights(values, scale, b, true, true), kOut, kIn);
  EXPECT_EQ(linear.takes(), RowFormat::kPlain);
  EXPECT_TRUE(linear(x).equal(int8_product(x, values, scale.t().contiguous(), b)));
  EXPECT_LT(off(linear(x)), 0.012);  // of a row's values, rounded to a 254th of the largest
  EXPECT_LT(off(linear(x.narrow(0, 0, kRows))), 0.012);
  EXPECT_TRUE(linear(x.narrow(0, 3, 1)).equal(linear(x).narrow(0, 3, 1)));
  const BigLinear next(weights_of({{"weight", at::randn({64, kOut}).to(at::kBFloat16)}}, false));
  const Activations gelu = linear.gelu((x * 0.02f).contiguous(), next);
  EXPECT_EQ(gelu.format(), RowFormat::kPlain);
  // A device without such products computes with 8-bit floats made of them.
  const BigLinear floats(stored_weights(values, scale, b, true, false), kOut, kIn);
  EXPECT_EQ(floats.takes(), RowFormat::kFloat8);
  EXPECT_LT(off(floats(x)), 0.04);
}

TEST(Int8Product, ARowOfZerosIsTheBias) {
  const at::Tensor x = at::zeros({3, 64}), w = at::ones({32, 64}, at::kChar);
  const at::Tensor b = at::randn({32});
  EXPECT_TRUE(int8_product(x, w, at::ones({1, 32}), b).equal(b.expand({3, 32})));
}

TEST_F(BigLinearTest, ChecksShapes) {
  EXPECT_THROW(BigLinear(weights_of({{"weight", w}}, true), kOut, kIn + 16), Error);
  EXPECT_THROW(BigLinear(weights_of({{"weight", w}, {"bias", at::zeros({3})}}, true)), Error);
  EXPECT_THROW(BigLinear(weights_of({{"bias", b}}, true)), Error);
}

TEST_F(BigLinearTest, FeedsGeluToTheNextLayer) {
  const at::Tensor w2 = at::randn({64, kOut}).to(at::kBFloat16);
  const at::Tensor small = (x * 0.02f).contiguous();
  const at::Tensor inner = at::matmul(wide(small), wide(w).t()) + wide(b);
  for (const bool first8 : {false, true}) {
    for (const bool second8 : {false, true}) {
      const BigLinear first(weights_of({{"weight", w}, {"bias", b}}, first8));
      const BigLinear second(weights_of({{"weight", w2}}, second8));
      const Activations a = first.gelu(small, second);
      EXPECT_EQ(a.format(), second.takes());
      const at::Tensor got = second8 ? wide(a.values) * wide(a.factors) : wide(a.values);
      EXPECT_LT(relative_error(got, gelu_truth(inner)),
                first8 || second8 ? 2 * kFloat8Error : 0.006);
      EXPECT_EQ(second(a).sizes(), at::IntArrayRef({kRows, 64}));
    }
  }
}

TEST_F(BigLinearTest, TakesWhatTheNormsGive) {
  const BigLinear linear(weights_of({{"weight", w}, {"bias", b}}, true), kOut, kIn);
  const at::Tensor shift = at::randn({2, kIn}).to(at::kBFloat16),
                   scale = at::randn({2, kIn}).to(at::kBFloat16);
  const LayerNorm norm(kIn);
  const Activations plain = norm.modulated(x, shift, scale, {5});
  const Activations rows = norm.modulated(x, shift, scale, {5}, linear.takes());
  EXPECT_EQ(rows.format(), RowFormat::kFloat8);
  EXPECT_LT(relative_error(wide(rows.values) * wide(rows.factors), plain.values), 0.03);
  EXPECT_LT(relative_error(linear(rows), linear(plain)), 0.02);

  const at::Tensor y = at::randn({kRows, kIn}).to(at::kBFloat16);
  at::Tensor sum = x.clone(), same = x.clone();
  const Activations added = norm.add_and_modulate_(sum, y, shift, scale, {5}, RowFormat::kFloat8);
  const Activations expected = norm.add_and_modulate_(same, y, shift, scale, {5});
  EXPECT_TRUE(sum.equal(same));
  EXPECT_LT(relative_error(wide(added.values) * wide(added.factors), expected.values), 0.03);
  EXPECT_EQ(norm(x, RowFormat::kFloat8).format(), RowFormat::kFloat8);
}

// Each way has to apply the factors of both sides and the bias; the CPU knows two of them.
TEST_F(BigLinearTest, EveryWayToMultiplyGivesTheSame) {
  const kernels::Float8Rows a = kernels::to_float8(x), m = kernels::to_float8(w);
  const at::Tensor exact =
      at::matmul(wide(a.values) * wide(a.factors), (wide(m.values) * wide(m.factors)).t()) +
      wide(b);
  for (const Float8Product way : {Float8Product::kUnscaled, Float8Product::kWidened}) {
    const at::Tensor y =
        float8_product(way, a.values, a.factors, m.values, m.factors.view({1, kOut}), b);
    EXPECT_LT(relative_error(wide(y) / typical, exact / typical), 0.004) << name_of(way);
  }
  EXPECT_ANY_THROW(float8_product(Float8Product::kRowwise, a.values, a.factors, m.values,
                                  m.factors.view({1, kOut}), b));
}

// Nothing is computed and nothing needs the memory: what a model will take can be counted.
TEST_F(BigLinearTest, CanBeMadeWithoutStorage) {
  Placement placement{at::kBFloat16, c10::Device(c10::kMeta), {}};
  placement.float8_matrices = true;
  const BigLinear linear(Weights(
      std::make_shared<test::MemorySource>(std::map<std::string, at::Tensor>{{"weight", w}}),
      placement));
  EXPECT_EQ(linear.takes(), RowFormat::kFloat8);
}

}  // namespace
}  // namespace ovi::nn
