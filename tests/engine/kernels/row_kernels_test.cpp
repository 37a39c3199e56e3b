// Kernels that reduce over a row: their GPU body, run on the host, against their ATen
// twin, and both against the formula in float64.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/var.h>
#include <ATen/ops/zeros.h>

#include <optional>

#include "compare.h"
#include "kernels/channel_norm.h"
#include "kernels/gated_add.h"
#include "kernels/layer_norm.h"
#include "kernels/rms_norm_rope.h"

namespace ovi::kernels {
namespace {

using test::expect_close;
using test::misaligned;
using test::normal;

constexpr double kEps = 1e-6;
constexpr int64_t kLongestNarrow = 4096;  // rows that are not aligned

class RowsTest : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t, int64_t>> {
 protected:
  RowsTest() { std::tie(dtype, rows, dim) = GetParam(); }
  at::ScalarType dtype;
  int64_t rows, dim;

  // Shift, scale and gate as the models cut them out of one tensor.
  at::Tensor vectors(int64_t time_rows) const { return normal({time_rows, 3, dim}, dtype); }
};

// [rows, dim] of [time rows, dim].
at::Tensor spread(const at::Tensor& vectors, int64_t rows, TimeRows time) {
  const int64_t first = vectors.size(0) > 1 ? time.first_tokens : 0;
  const at::Tensor wide = vectors.to(at::kDouble);
  return at::cat({wide[0].expand({first, -1}), wide[-1].expand({rows - first, -1})}, 0);
}

at::Tensor norm_in_double(const at::Tensor& x, const RowScale& scale) {
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor centred = wide - wide.mean(-1, true);
  at::Tensor y = centred / at::sqrt(centred.pow(2).mean(-1, true) + kEps);
  if (scale.scale.defined()) y = y * (spread(scale.scale, x.size(0), scale.rows) + scale.offset);
  if (scale.shift.defined()) y = y + spread(scale.shift, x.size(0), scale.rows);
  return y;
}

// A few values may lie so close together that their deviation is mostly rounding.
double norm_tolerance(int64_t dim) { return dim < 16 ? 1e-3 : 1e-5; }

TEST_P(RowsTest, LayerNormScaledInEveryWay) {
  const double tolerance = norm_tolerance(dim);
  const at::Tensor one = vectors(1), two = vectors(2);
  const std::vector<RowScale> scales = {
      {},
      affine(one[0][0], one[0][1]),
      affine(one[0][0], {}),
      modulated(one.select(1, 0), one.select(1, 1), {rows / 2}),
      modulated(two.select(1, 0), two.select(1, 1), {0}),
      modulated(two.select(1, 0), two.select(1, 1), {(rows + 1) / 2}),
      modulated(two.select(1, 0), two.select(1, 1), {rows}),
  };
  for (size_t i = 0; i < scales.size(); ++i) {
    SCOPED_TRACE(i);
    const at::Tensor x = normal({rows, dim}, dtype, 3) + 0.5;
    const at::Tensor expected = twin::layer_norm(x, scales[i], kEps);
    expect_close(host::layer_norm(x, scales[i], kEps), expected, tolerance);
    if (dim <= kLongestNarrow)
      expect_close(host::layer_norm(misaligned(x), scales[i], kEps), expected, tolerance);
    expect_close(expected, norm_in_double(x, scales[i]).to(dtype), tolerance);
    expect_close(layer_norm(x, scales[i], kEps), expected, tolerance);
    expect_close(layer_norm(misaligned(x), scales[i], kEps), expected, tolerance);
  }
}

TEST_P(RowsTest, GatedAddBeforeTwoLayerNorms) {
  const double tolerance = norm_tolerance(dim);
  const at::Tensor time = vectors(2), weights = vectors(1);
  const TimeRows by{(rows + 1) / 2};
  const at::Tensor gate = time.select(1, 2), x = normal({rows, dim}, dtype, 2),
                   y = normal({rows, dim}, dtype);
  const RowScale one = affine(weights[0][0], weights[0][1]), other = affine(weights[0][2], {});
  at::Tensor sum = x.clone(), fused_sum = x.clone(), cpu_sum = x.clone();
  twin::add_gated_(sum, y, gate, by);
  const auto fused = host::add_gated_layer_norms_(fused_sum, y, gate, by, one, other, kEps);
  expect_close(fused_sum, sum);
  // As each alone, to the bit.
  EXPECT_TRUE(fused.first.equal(host::layer_norm(fused_sum, one, kEps)));
  EXPECT_TRUE(fused.second.equal(host::layer_norm(fused_sum, other, kEps)));
  const auto on_cpu = add_gated_layer_norms_(cpu_sum, y, gate, by, one, other, kEps);
  EXPECT_TRUE(cpu_sum.equal(sum));
  EXPECT_TRUE(on_cpu.first.equal(twin::layer_norm(sum, one, kEps)));
  EXPECT_TRUE(on_cpu.second.equal(twin::layer_norm(sum, other, kEps)));
  expect_close(fused.second, twin::layer_norm(fused_sum, other, kEps), tolerance);

  at::Tensor float8_sum = x.clone();
  const auto rows8 =
      host::add_gated_layer_norms_float8_(float8_sum, y, gate, by, one, other, kEps);
  EXPECT_TRUE(float8_sum.equal(fused_sum));
  for (const auto& [got, scale] : {std::pair(rows8.first, one), std::pair(rows8.second, other)}) {
    const Float8Rows alone = host::layer_norm_float8(fused_sum, scale, kEps);
    EXPECT_TRUE(got.values.view(at::kByte).equal(alone.values.view(at::kByte)));
    EXPECT_TRUE(got.factors.equal(alone.factors));
  }
}

TEST_P(RowsTest, GatedAddBeforeLayerNorm) {
  const double tolerance = norm_tolerance(dim);
  const at::Tensor time = vectors(2);
  const RowScale scale = modulated(time.select(1, 0), time.select(1, 1), {(rows + 1) / 2});
  for (const at::Tensor& gate : {at::Tensor(), time.select(1, 2)}) {
    const at::Tensor x = normal({rows, dim}, dtype, 2), y = normal({rows, dim}, dtype);
    at::Tensor sum = x.clone(), fused_sum = x.clone(), odd_sum = misaligned(x);
    const at::Tensor expected = twin::add_gated_layer_norm_(sum, y, gate, scale, kEps);
    const at::Tensor got = host::add_gated_layer_norm_(fused_sum, y, gate, scale, kEps);
    if (dim <= kLongestNarrow) {
      host::add_gated_layer_norm_(odd_sum, y, gate, scale, kEps);
      expect_close(odd_sum, sum);
    }
    expect_close(fused_sum, sum);
    at::Tensor cpu_sum = x.clone();
    const at::Tensor on_cpu = add_gated_layer_norm_(cpu_sum, y, gate, scale, kEps);
    expect_close(cpu_sum, sum);
    expect_close(on_cpu, twin::layer_norm(cpu_sum, scale, kEps), tolerance);
    // Where the sums differ by a rounding the norms may too, so: the norm of its own sum.
    expect_close(got, twin::layer_norm(fused_sum, scale, kEps), tolerance);
    at::Tensor truth = x.to(at::kDouble);
    truth = truth + y.to(at::kDouble) *
                        (gate.defined() ? spread(gate, rows, scale.rows) : at::ones_like(truth));
    expect_close(sum, truth.to(dtype));
    expect_close(expected, norm_in_double(sum, scale).to(dtype), tolerance);
  }
}

TEST_P(RowsTest, ChannelNorm) {
  const at::Tensor x = normal({rows, 1, dim}, dtype, 2), gain = normal({dim}, at::kFloat);
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor norm =
      wide / at::sqrt(wide.pow(2).sum(-1, true)).clamp_min(1e-12) * gain.to(at::kDouble);
  const auto run = [&](auto kernel, at::Tensor from) {
    at::Tensor out = at::full({rows, 1, dim}, 7.0, x.options());
    kernel(from, gain, out);
    return out;
  };
  const at::Tensor truth = norm.to(dtype), activated = (norm * at::sigmoid(norm)).to(dtype);
  expect_close(run(host::channel_norm, x), truth);
  if (dim <= kLongestNarrow) expect_close(run(host::channel_norm, misaligned(x)), truth);
  expect_close(run(host::channel_norm_silu, x), activated);
  // On the CPU bfloat16 is rounded once, wherever the rows fit.
  if (dtype == at::kFloat || dim % 16 == 0) {
    expect_close(run(channel_norm, x), truth);
    expect_close(run(channel_norm_silu, x), activated);
  }
  if (dtype == at::kFloat) {
    expect_close(run(host::channel_norm, x), run(twin::channel_norm, x));
    expect_close(run(host::channel_norm_silu, x), run(twin::channel_norm_silu, x));
  } else {
    // The twin rounds after the division, the gain and the activation.
    const at::Tensor off =
        (run(twin::channel_norm_silu, x).to(at::kDouble) - activated.to(at::kDouble)).abs();
    EXPECT_LE((off - 5.0 / 256 * norm.abs() - 1e-6).max().item<double>(), 0.0);
  }
  at::Tensor in_place = x.clone();
  host::channel_norm_silu(in_place, gain, in_place);
  EXPECT_TRUE(in_place.equal(run(host::channel_norm_silu, x)));
}

// Odd rows; rows shorter and longer than a warp's loads, not a multiple of the vector
// width, and the models' own sizes.
INSTANTIATE_TEST_SUITE_P(Sizes, RowsTest,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values(1, 3, 18),
                                          testing::Values(2, 5, 8, 24, 250, 256, 264, 1000, 1024,
                                                          1030, 3072, 4096, 8192)));

class RopeTest : public testing::TestWithParam<
                     std::tuple<at::ScalarType, int64_t, std::pair<int64_t, int64_t>>> {};

TEST_P(RopeTest, NormAndRotation) {
  const auto [dtype, rows, shape] = GetParam();
  const auto [heads, d] = shape;
  const at::Tensor x = normal({rows, heads * d}, dtype, 3), weight = normal({heads * d}, dtype);
  const at::Tensor angle = at::randn({rows, 1, d / 2}, at::kFloat) * 100;
  const at::Tensor rotations = at::polar(at::ones_like(angle), angle);

  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor norm =
      (wide / at::sqrt(wide.pow(2).mean(-1, true) + kEps) * weight.to(at::kDouble))
          .view({rows, heads, d / 2, 2});
  const at::Tensor a = norm.select(3, 0), b = norm.select(3, 1);
  const at::Tensor c = angle.to(at::kDouble).cos(), s = angle.to(at::kDouble).sin();
  const at::Tensor turned = at::stack({a * c - b * s, a * s + b * c}, 3);

  const auto [got, plain] = host::rms_norm_rope(x, weight, kEps, heads, rotations, true);
  expect_close(got, turned.view({rows, heads, d}).to(dtype));
  expect_close(plain, norm.view({rows, heads, d}).to(dtype));
  const TurnedAndPlain both =
      twin::rms_norm_with_and_without_rope(x, weight, kEps, heads, rotations);
  expect_close(got, both.turned);
  expect_close(plain, both.plain);

  expect_close(rms_norm_rope(x, weight, kEps, heads, rotations), both.turned);
  expect_close(rms_norm_rope(misaligned(x), weight, kEps, heads, rotations), both.turned);
  expect_close(rms_norm_heads(x, weight, kEps, heads), both.plain);
  const TurnedAndPlain chosen = rms_norm_with_and_without_rope(x, weight, kEps, heads, rotations);
  expect_close(chosen.turned, both.turned);
  expect_close(chosen.plain, both.plain);

  EXPECT_TRUE(twin::rms_norm_rope(x, weight, kEps, heads, rotations).equal(both.turned));
  EXPECT_TRUE(twin::rms_norm_heads(x, weight, kEps, heads).equal(both.plain));
  EXPECT_TRUE(host::rms_norm_rope(x, weight, kEps, heads, rotations, false).turned.equal(got));
  EXPECT_TRUE(host::rms_norm_rope(x, weight, kEps, heads, {}, true).plain.equal(plain));
  expect_close(host::rms_norm_rope(misaligned(x), weight, kEps, heads, rotations, false).turned,
               both.turned);
}

INSTANTIATE_TEST_SUITE_P(Sizes, RopeTest,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values(1, 7, 33),
                                          testing::Values(std::pair(1, 2), std::pair(3, 6),
                                                          std::pair(3, 10), std::pair(4, 24),
                                                          std::pair(2, 64), std::pair(24, 128))));

TEST(ExtremeRows, AreNormalisedLikeOthers) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor weight = normal({512}, dtype);
    for (const double size : {1e-15, 1e-4, 1e4, 1e15}) {
      SCOPED_TRACE(size);
      const at::Tensor x = normal({5, 512}, dtype, size);
      expect_close(host::layer_norm(x, affine(weight, {}), kEps),
                   twin::layer_norm(x, affine(weight, {}), kEps));
      expect_close(host::rms_norm_rope(x, weight, kEps, 4, {}, true).plain,
                   twin::rms_norm_heads(x, weight, kEps, 4));
      at::Tensor out = at::empty_like(x), truth = at::empty_like(x.to(at::kFloat));
      const at::Tensor gain = weight.to(at::kFloat);
      host::channel_norm_silu(x, gain, out);
      twin::channel_norm_silu(x.to(at::kFloat), gain, truth);
      expect_close(out, truth.to(dtype));
    }
    // Nothing to divide by: finite, and what the formulas say.
    const at::Tensor zero = at::zeros({2, 512}, dtype);
    at::Tensor out = at::full({2, 512}, 7.0, dtype);
    host::channel_norm(zero, weight.to(at::kFloat), out);
    EXPECT_TRUE(out.equal(zero));
    EXPECT_TRUE(host::layer_norm(zero + 3, {}, kEps).equal(zero));
    EXPECT_TRUE(host::rms_norm_rope(zero, weight, kEps, 1, {}, true).plain.squeeze(1).equal(zero));
  }
}

TEST(LayerNormKernel, LeavesWhatItDoesNotKnowToTheTwin) {
  const auto has_body = [](const at::Tensor& x, const RowScale& scale) {
    try {
      host::layer_norm(x, scale, kEps);
      return true;
    } catch (const std::bad_optional_access&) {
      return false;
    }
  };
  const at::Tensor x = normal({4, 64}, at::kFloat);
  EXPECT_TRUE(has_body(x, {}));
  EXPECT_FALSE(has_body(x.t(), {}));
  EXPECT_FALSE(has_body(x, affine(normal({64}, at::kBFloat16), {})));
  EXPECT_FALSE(has_body(x, affine(normal({128}, at::kFloat).slice(0, 0, 128, 2), {})));
  EXPECT_TRUE(has_body(normal({1, 8192}, at::kFloat), {}));
  EXPECT_FALSE(has_body(normal({1, 8196}, at::kFloat), {}));
  EXPECT_FALSE(has_body(normal({1, 4097}, at::kFloat), {}));
  EXPECT_FALSE(has_body(x.to(at::kDouble), {}));
}

}  // namespace
}  // namespace ovi::kernels
