// The fused kernels where they run, against their ATen twins: OVI_TEST_DEVICE=cuda with
// OVI_FUSED_KERNELS=1. Without a device it tries itself on the CPU.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/rand.h>

#include <cstdlib>
#include <tuple>
#include <vector>

#include "../engine/kernels/compare.h"
#include "kernels/channel_norm.h"
#include "kernels/cuda_kernels.h"
#include "kernels/gated_add.h"
#include "kernels/launch.h"
#include "kernels/layer_norm.h"
#include "kernels/linear_combination.h"
#include "kernels/pack_pixels.h"
#include "kernels/rms_norm_rope.h"
#include "kernels/snake.h"
#include "models/bigvgan.h"
#include "runtime/device.h"

namespace ovi::kernels {
namespace {

constexpr double kEps = 1e-6;

c10::Device device() {
  const char* name = std::getenv("OVI_TEST_DEVICE");
  static const c10::Device found = find_device(name ? name : "cpu");
  return found;
}

at::Tensor there(at::IntArrayRef shape, at::ScalarType dtype, double scale = 1) {
  return test::normal(shape, dtype, scale).to(device());
}

void expect_close(const at::Tensor& got, const at::Tensor& expected, double tolerance = 1e-5) {
  ASSERT_EQ(got.device(), device());
  test::expect_close(got.cpu(), expected.cpu(), tolerance);
}

// Bytes of the same value but for a few that lie between two.
void expect_near_bytes(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor off = (got.cpu().to(at::kInt) - expected.cpu().to(at::kInt)).abs();
  EXPECT_LE(off.max().item<int>(), 1);
  EXPECT_LE((off > 0).sum().item<int64_t>(), 2 + off.numel() / 1000);
}

TEST(OnDevice, TheKernelsAreInUse) {
  const at::Tensor x = there({4}, at::kFloat);
  for (const Kernel kernel : kAllKernels) {
    const bool used = cuda_table_for(x, kernel) != nullptr;
    EXPECT_EQ(used, !device().is_cpu()) << name_of(kernel) << ": " << cuda_kernels().why;
  }
}

class TokensTest : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t, int64_t>> {
 protected:
  TokensTest() { std::tie(dtype, rows, dim) = GetParam(); }
  at::ScalarType dtype;
  int64_t rows, dim;
};

TEST_P(TokensTest, NormsAndGates) {
  const at::Tensor x = there({rows, dim}, dtype, 3), y = there({rows, dim}, dtype);
  const at::Tensor vectors = there({2, 3, dim}, dtype);
  const TimeRows time{rows / 3};
  const RowScale scale = modulated(vectors.select(1, 0), vectors.select(1, 1), time);
  const at::Tensor gate = vectors.select(1, 2);
  expect_close(layer_norm(x, scale, kEps), twin::layer_norm(x, scale, kEps));
  const RowScale weights = affine(vectors[0][0], vectors[0][1]);
  expect_close(layer_norm(x, weights, kEps), twin::layer_norm(x, weights, kEps));

  at::Tensor changed = x.clone(), expected = x.clone();
  expect_close(add_gated_layer_norm_(changed, y, gate, scale, kEps),
               twin::add_gated_layer_norm_(expected, y, gate, scale, kEps));
  expect_close(changed, expected);
  add_gated_(changed, y, gate, time);
  twin::add_gated_(expected, y, gate, time);
  expect_close(changed, expected);

  const Float8Rows rounded = layer_norm_float8(x, scale, kEps);
  const Float8Rows truth = twin::layer_norm_float8(x, scale, kEps);
  expect_close(rounded.factors, truth.factors);
  const at::Tensor unpacked = rounded.values.to(at::kFloat) * rounded.factors;
  const at::Tensor expected_rows = truth.values.to(at::kFloat) * truth.factors;
  // A neighbouring 8-bit float, of 3 bits after the first, is an eighth away.
  EXPECT_LE(((unpacked - expected_rows).abs() - expected_rows.abs() / 7).max().item<float>(), 1e-2);
  EXPECT_LT((unpacked - expected_rows).norm().item<double>(),
            1e-2 * expected_rows.norm().item<double>());
}

TEST_P(TokensTest, QueriesAndKeys) {
  const int64_t heads = dim / 128;
  const at::Tensor x = there({rows, dim}, dtype), weight = there({dim}, dtype);
  const at::Tensor angle = at::randn({rows, 1, 64});
  const at::Tensor turns = at::polar(at::full({rows, 1, 64}, 1.0), angle).to(device());
  expect_close(rms_norm_rope(x, weight, kEps, heads, turns),
               twin::rms_norm_rope(x, weight, kEps, heads, turns), 1e-4);
  expect_close(rms_norm_heads(x, weight, kEps, heads),
               twin::rms_norm_heads(x, weight, kEps, heads));
  const auto both = rms_norm_with_and_without_rope(x, weight, kEps, heads, turns);
  const auto expected = twin::rms_norm_with_and_without_rope(x, weight, kEps, heads, turns);
  expect_close(both.turned, expected.turned, 1e-4);
  expect_close(both.plain, expected.plain);
}

TEST_P(TokensTest, Channels) {
  const at::Tensor x = there({rows, dim / 3}, dtype), gain = there({dim / 3}, dtype);
  at::Tensor got = at::empty_like(x), expected = at::empty_like(x);
  channel_norm(x.to(at::kFloat), gain.to(at::kFloat), got = got.to(at::kFloat));
  twin::channel_norm(x.to(at::kFloat), gain.to(at::kFloat), expected = expected.to(at::kFloat));
  expect_close(got, expected);
  channel_norm_silu(x.to(at::kFloat), gain.to(at::kFloat), got);
  twin::channel_norm_silu(x.to(at::kFloat), gain.to(at::kFloat), expected);
  expect_close(got, expected);
  // The twin rounds each operation to bfloat16, the kernel once: compared with the exact one.
  at::Tensor rounded = at::empty_like(x);
  channel_norm_silu(x, gain, rounded);
  EXPECT_LE((rounded.to(at::kFloat) - expected).abs().max().item<float>(),
            (dtype == at::kFloat ? 1e-4f : 1.0f / 128) * expected.abs().max().item<float>());
}

std::vector<std::tuple<at::ScalarType, int64_t, int64_t>> tokens() {
  std::vector<std::tuple<at::ScalarType, int64_t, int64_t>> all;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t rows : {1, 157}) all.emplace_back(dtype, rows, 3072);
    all.emplace_back(dtype, 31, 384);
    // A whole 720x720 clip's tokens, where they do not take a minute.
    if (!device().is_cpu()) all.emplace_back(dtype, 15004, 3072);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sizes, TokensTest, testing::ValuesIn(tokens()));

TEST(OnDevice, LinearCombinations) {
  const auto latents = [] { return there({48, 4, 44, 44}, at::kFloat); };
  std::vector<Term> terms;
  for (const double weight : {1.5, -0.25, 3.0, 0.125, -2.0, 0.5}) {
    terms.push_back({weight, latents()});
    expect_close(linear_combination(terms), twin::linear_combination(terms), 1e-4);
  }
}

TEST(OnDevice, Pixels) {
  const at::Tensor video = (at::rand({3, 4, 96, 160}) * 2.2 - 1.1).to(device());
  for (const Pixels pixels :
       {Pixels::kRgb, Pixels::kRgba, Pixels::kBgrx, Pixels::kI420, Pixels::kNv12}) {
    expect_near_bytes(pack_pixels(video, pixels), twin::pack_pixels(video, pixels));
    const at::Tensor rounded = video.to(at::kBFloat16);
    expect_near_bytes(pack_pixels(rounded, pixels), twin::pack_pixels(rounded, pixels));
  }
}

TEST(OnDevice, Snakes) {
  const auto taps = bigvgan::half_band_filter();
  for (const int64_t length : {1, 7, 1000, 4097}) {
    const at::Tensor x = there({1, 48, length}, at::kFloat);
    const at::Tensor alpha = there({48, 1}, at::kFloat).abs() + 0.1;
    const at::Tensor inverse_beta = there({48, 1}, at::kFloat).abs() + 0.1;
    expect_close(anti_aliased_snake(x, alpha, inverse_beta, taps),
                 twin::anti_aliased_snake(x, alpha, inverse_beta, taps), 1e-4);
  }
}

}  // namespace
}  // namespace ovi::kernels
