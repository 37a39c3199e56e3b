// Small floats: conversions against LibTorch's, quantised rows against their twin.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include "compare.h"
#include "kernels/float8_rows.h"
#include "kernels/gated_add.h"
#include "kernels/layer_norm.h"
#include "kernels/portable.cuh"

namespace ovi::kernels {
namespace {

using test::misaligned;
using test::normal;

// Every bfloat16, as float32: also all that float8 can hold, and all middles between two.
at::Tensor all_bfloat16() {
  at::Tensor bits = at::arange(1 << 16, at::kInt).mul_(1 << 16);
  return bits.view(at::kFloat);
}

TEST(Float8, IsRoundedAsLibTorchDoesAndSaturates) {
  const at::Tensor x = all_bfloat16();
  for (const double nudge : {1.0, 1.0 + 1e-6, 1.0 - 1e-6}) {
    const at::Tensor nudged = x * nudge;
    const at::Tensor expected = nudged.clamp(-448, 448).to(at::kFloat8_e4m3fn).to(at::kFloat);
    for (int64_t i = 0; i < x.numel(); ++i) {
      const float value = nudged.const_data_ptr<float>()[i];
      const c10::Float8_e4m3fn got(portable::round_to<Float8>(value).bits,
                                   c10::Float8_e4m3fn::from_bits());
      const float want = expected.const_data_ptr<float>()[i];
      if (std::isnan(value))
        ASSERT_TRUE(std::isnan(static_cast<float>(got)));
      else
        ASSERT_EQ(static_cast<float>(got), want) << value;
    }
  }
}

TEST(Bfloat16, IsRoundedAsLibTorchDoes) {
  // Low halves below, at and above the middle.
  for (const int64_t low : {0x0000, 0x0001, 0x7fff, 0x8000, 0x8001, 0xffff}) {
    const at::Tensor x = (all_bfloat16().view(at::kInt) + low).view(at::kFloat);
    const at::Tensor expected = x.to(at::kBFloat16).to(at::kFloat);
    for (int64_t i = 0; i < x.numel(); ++i) {
      const float value = x.const_data_ptr<float>()[i];
      const float got = portable::to_float(portable::round_to<Bfloat16>(value));
      if (std::isnan(value))
        ASSERT_TRUE(std::isnan(got));
      else
        ASSERT_EQ(got, expected.const_data_ptr<float>()[i]) << value;
    }
  }
}

// Equal, but where a value lies close to the middle of two steps.
void expect_same_rows(const Float8Rows& got, const Float8Rows& expected) {
  ASSERT_EQ(got.values.sizes(), expected.values.sizes());
  ASSERT_EQ(got.factors.sizes(), expected.factors.sizes());
  const at::Tensor g = got.values.to(at::kDouble), e = expected.values.to(at::kDouble);
  EXPECT_LE((g - e).abs().sub(e.abs() / 8 + 1.0 / 512).max().item<double>(), 0.0);
  EXPECT_LE((g != e).to(at::kDouble).mean().item<double>(), 0.01);
  EXPECT_LE(((got.factors - expected.factors).abs() / expected.factors).max().item<double>(), 1e-5);
  EXPECT_LE(g.abs().max().item<double>(), 448.0);
}

class Float8RowsTest : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t, int64_t>> {
};

TEST_P(Float8RowsTest, HoldWhatTheyWereMadeOf) {
  const auto [dtype, rows, dim] = GetParam();
  for (const double size : {0.01, 1.0, 100.0}) {
    const at::Tensor x = normal({rows, dim}, dtype, size);
    // Half a step of three mantissa bits, or half of the smallest step.
    const auto expect_near = [](const Float8Rows& got, const at::Tensor& truth) {
      const at::Tensor off = (got.values.to(at::kDouble) * got.factors - truth).abs();
      EXPECT_LE((off - truth.abs() / 16 * 1.001 - got.factors / 1024 * 1.001).max().item<double>(),
                1e-7);
    };
    const at::Tensor wide = x.to(at::kDouble);
    const Float8Rows got = host::gelu_to_float8(x), expected = twin::gelu_to_float8(x);
    expect_same_rows(got, expected);
    if (dim <= 4096) expect_same_rows(host::gelu_to_float8(misaligned(x)), expected);
    expect_near(got,
                0.5 * wide * (1 + (0.7978845608028654 * (wide + 0.044715 * wide.pow(3))).tanh()));
    const Float8Rows plain = host::to_float8(x);
    expect_same_rows(plain, twin::to_float8(x));
    expect_near(plain, wide);

    const at::Tensor time = normal({2, 2, dim}, dtype);
    const RowScale scale = modulated(time.select(1, 0), time.select(1, 1), {rows / 2});
    expect_same_rows(host::layer_norm_float8(x, scale, 1e-6),
                     twin::layer_norm_float8(x, scale, 1e-6));

    const at::Tensor y = normal({rows, dim}, dtype), gate = normal({2, dim}, dtype);
    at::Tensor sum = x.clone(), twin_sum = x.clone();
    const Float8Rows added = host::add_gated_layer_norm_float8_(sum, y, gate, scale, 1e-6);
    twin::add_gated_(twin_sum, y, gate, scale.rows);
    test::expect_close(sum, twin_sum);
    expect_same_rows(added, twin::layer_norm_float8(sum, scale, 1e-6));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Float8RowsTest,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values(1, 5),
                                          testing::Values(2, 7, 256, 1000, 3072, 8192)));

TEST(Float8Rows, ReachesTheLargestValueInEveryRow) {
  const at::Tensor x = normal({9, 14336}, at::kBFloat16);
  const Float8Rows rows = host::gelu_to_float8(x);
  EXPECT_TRUE((rows.values.to(at::kFloat).abs().amax(-1) == 448).all().item<bool>());
}

TEST(Float8Rows, AreTheSameInSlices) {
  const int64_t dim = 4096, slice = twin::kFloat8Slice / dim;
  const at::Tensor x = normal({slice + 5, dim}, at::kBFloat16);
  const Float8Rows all = twin::gelu_to_float8(x);
  for (const int64_t first : {int64_t{0}, slice - 2, slice}) {
    const Float8Rows some = twin::gelu_to_float8(x.narrow(0, first, 5));
    EXPECT_TRUE(all.values.narrow(0, first, 5).view(at::kByte).equal(some.values.view(at::kByte)));
    EXPECT_TRUE(all.factors.narrow(0, first, 5).equal(some.factors));
  }
}

TEST(Float8Rows, OfZerosAreZeros) {
  const at::Tensor zero = at::zeros({3, 64}, at::kFloat);
  for (const Float8Rows& rows : {host::gelu_to_float8(zero), twin::gelu_to_float8(zero),
                                 twin::to_float8(zero), host::layer_norm_float8(zero, {}, 1e-6)}) {
    EXPECT_TRUE((rows.values.to(at::kFloat) == 0).all().item<bool>());
    EXPECT_TRUE((rows.factors == 1).all().item<bool>());
  }
}

}  // namespace
}  // namespace ovi::kernels
