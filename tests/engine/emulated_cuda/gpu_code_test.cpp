// The kernels' GPU code, thread by thread, against their twins.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/ones_like.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros_like.h>

#include "../kernels/compare.h"
#include "gpu.h"
#include "kernels/channel_norm.h"
#include "kernels/float8_rows.h"
#include "kernels/gated_add.h"
#include "kernels/kernel_check.h"
#include "kernels/layer_norm.h"
#include "kernels/pack_pixels.h"
#include "kernels/rms_norm_rope.h"
#include "kernels/snake.h"

namespace ovi::kernels {
namespace {

using test::expect_close;
using test::gpu;
using test::misaligned;
using test::normal;

constexpr double kEps = 1e-6;
constexpr int64_t kLongestNarrow = 4096;  // rows that are not aligned

at::Tensor there(const at::Tensor& x) { return x.to(gpu()); }
at::Tensor here(const at::Tensor& x) { return x.to(at::kCPU); }

// Strides stay, as of vectors that models cut out of one tensor.
at::Tensor cut_there(const at::Tensor& whole, int64_t dim, int64_t index) {
  return there(whole).select(dim, index);
}

/// What `work` gives, which must run a kernel.
template <typename Work>
auto by_kernel(Work work) {
  try_fused_kernels(gpu());  // which runs all of them, once
  const std::optional<int64_t> before = test::kernel_runs();
  auto result = work();
  if (before) {
    EXPECT_EQ(test::kernel_runs(), *before + 1);
  }
  return result;
}

void expect_close_rows(const Float8Rows& got, const Float8Rows& expected) {
  constexpr double kStep = 1.0 / 7;
  EXPECT_LE(largest_difference({here(got.values), here(got.factors)},
                               {expected.values, expected.factors}),
            kStep);
}

// Of a GPU, which may contract products and sums, a few may round to the next one.
void expect_near_bytes(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor off = (got.to(at::kInt) - expected.to(at::kInt)).abs();
  EXPECT_LE(off.max().item<int>(), gpu().is_cuda() ? 1 : 0);
  EXPECT_LE((off > 0).sum().item<int64_t>(), 2 + off.numel() / 1000);
}

TEST(GpuCode, IsTrustedWithEveryKernel) {
  try_fused_kernels(gpu());
  const auto states = known_kernel_states(gpu());
  EXPECT_EQ(states.size(), std::size(kAllKernels));
  for (const auto& [kernel, state] : states) EXPECT_EQ(state, "used") << kernel;
}

class GpuRows : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t, int64_t>> {
 protected:
  GpuRows() { std::tie(dtype, rows, dim) = GetParam(); }
  bool narrow() const { return dim <= kLongestNarrow; }
  at::ScalarType dtype;
  int64_t rows, dim;
};

TEST_P(GpuRows, LayerNorm) {
  const double tolerance = dim < 16 ? 1e-3 : 1e-5;
  const at::Tensor x = normal({rows, dim}, dtype, 3), y = normal({rows, dim}, dtype),
                   time = normal({2, 3, dim}, dtype);
  const TimeRows first{(rows + 1) / 2};
  const RowScale scale = modulated(time.select(1, 0), time.select(1, 1), first);
  const RowScale moved = modulated(cut_there(time, 1, 0), cut_there(time, 1, 1), first);
  const at::Tensor expected = twin::layer_norm(x, scale, kEps);
  expect_close(here(by_kernel([&] { return layer_norm(there(x), moved, kEps); })), expected,
               tolerance);
  expect_close(here(layer_norm(there(x), {}, kEps)), twin::layer_norm(x, {}, kEps), tolerance);
  if (narrow()) {
    const at::Tensor odd = misaligned(there(x));
    expect_close(here(by_kernel([&] { return layer_norm(odd, moved, kEps); })), expected,
                 tolerance);
  }
  const at::Tensor sum = there(x);
  const at::Tensor normed = by_kernel(
      [&] { return add_gated_layer_norm_(sum, there(y), cut_there(time, 1, 2), moved, kEps); });
  at::Tensor truth = x.clone();
  twin::add_gated_(truth, y, time.select(1, 2), first);
  expect_close(here(sum), truth);
  expect_close(here(normed), twin::layer_norm(here(sum), scale, kEps), tolerance);

  // Two results of one pass are those of two, to the bit.
  const RowScale one = affine(there(time[0][0].contiguous()), there(time[0][1].contiguous())),
                 other = affine(there(time[1][0].contiguous()), {});
  const at::Tensor again = there(x);
  const auto both = by_kernel([&] {
    return add_gated_layer_norms_(again, there(y), cut_there(time, 1, 2), first, one, other, kEps);
  });
  EXPECT_TRUE(here(again).equal(here(sum)));
  EXPECT_TRUE(here(both.first).equal(here(layer_norm(sum, one, kEps))));
  EXPECT_TRUE(here(both.second).equal(here(layer_norm(sum, other, kEps))));

  if (dim < 16) return;  // a few values that are nearly alike: all is rounding
  expect_close_rows(by_kernel([&] { return layer_norm_float8(there(x), moved, kEps); }),
                    twin::layer_norm_float8(x, scale, kEps));
}

TEST_P(GpuRows, EightBits) {
  const at::Tensor x = normal({rows, dim}, dtype, 2);
  expect_close_rows(by_kernel([&] { return to_float8(there(x)); }), twin::to_float8(x));
  expect_close_rows(by_kernel([&] { return gelu_to_float8(there(x)); }), twin::gelu_to_float8(x));
  if (narrow())
    expect_close_rows(by_kernel([&] { return to_float8(misaligned(there(x))); }),
                      twin::to_float8(x));
}

TEST_P(GpuRows, ChannelNorm) {
  const at::Tensor x = normal({rows, 1, dim}, dtype, 2), gain = normal({dim}, at::kFloat);
  // The twin rounds in between: in float32 it is the truth of both.
  const at::Tensor wide = x.to(at::kFloat);
  at::Tensor expected = at::zeros_like(wide), activated = at::zeros_like(wide);
  twin::channel_norm(wide, gain, expected);
  twin::channel_norm_silu(wide, gain, activated);
  const auto run = [&](auto kernel, const at::Tensor& from) {
    return here(by_kernel([&] {
      at::Tensor out = at::zeros_like(there(x));
      kernel(from, there(gain), out);
      return out;
    }));
  };
  expect_close(run(channel_norm, there(x)), expected.to(dtype));
  expect_close(run(channel_norm_silu, there(x)), activated.to(dtype));
  if (narrow()) expect_close(run(channel_norm, misaligned(there(x))), expected.to(dtype));
}

TEST_P(GpuRows, GatedAdd) {
  const at::Tensor x = normal({rows, dim}, dtype), y = normal({rows, dim}, dtype),
                   time = normal({2, 3, dim}, dtype);
  at::Tensor expected = x.clone();
  twin::add_gated_(expected, y, time.select(1, 2), {rows / 2});
  for (const at::Tensor& sum : {there(x), misaligned(there(x))}) {
    expect_close(here(by_kernel([&] {
                   add_gated_(sum, there(y), cut_there(time, 1, 2), {rows / 2});
                   return sum;
                 })),
                 expected);
  }
}

// Rows of every team of threads and number of loads; more of them than a block has teams.
INSTANTIATE_TEST_SUITE_P(
    Sizes, GpuRows,
    testing::Combine(testing::Values(at::kFloat, at::kBFloat16), testing::Values(1, 3, 31),
                     testing::Values(2, 8, 24, 128, 250, 264, 1000, 1024, 1030, 3072, 4096, 8192)));

class GpuRope : public testing::TestWithParam<
                    std::tuple<at::ScalarType, int64_t, std::pair<int64_t, int64_t>>> {};

TEST_P(GpuRope, NormAndRotation) {
  const auto [dtype, rows, shape] = GetParam();
  const auto [heads, d] = shape;
  const at::Tensor x = normal({rows, heads * d}, dtype, 3), weight = normal({heads * d}, dtype);
  const at::Tensor angle = at::rand({rows, 1, d / 2}, at::kFloat) * 100;
  const at::Tensor turn = at::polar(at::ones_like(angle), angle);
  const TurnedAndPlain expected =
      twin::rms_norm_with_and_without_rope(x, weight, kEps, heads, turn);
  const at::Tensor w = there(weight), t = there(turn);
  for (const at::Tensor& from : {there(x), misaligned(there(x))}) {
    expect_close(here(by_kernel([&, h = heads] { return rms_norm_rope(from, w, kEps, h, t); })),
                 expected.turned, 1e-4);
    expect_close(here(by_kernel([&, h = heads] { return rms_norm_heads(from, w, kEps, h); })),
                 expected.plain);
    const TurnedAndPlain both =
        by_kernel([&, h = heads] { return rms_norm_with_and_without_rope(from, w, kEps, h, t); });
    expect_close(here(both.turned), expected.turned, 1e-4);
    expect_close(here(both.plain), expected.plain);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GpuRope,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values(1, 33),
                                          testing::Values(std::pair(1, 2), std::pair(3, 10),
                                                          std::pair(4, 24), std::pair(2, 64),
                                                          std::pair(24, 128))));

TEST(GpuCode, Snake) {
  std::array<double, 12> taps = {0.01, -0.02, -0.05, 0.06, 0.2, 0.3};
  for (size_t i = 0; i < 6; ++i) taps[11 - i] = taps[i];
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t length : {1, 2, 5, 12, 257, 511, 512, 513, 515, 1027, 5000}) {
      const at::Tensor x = normal({1, 3, length}, dtype);
      const at::Tensor alpha = normal({3, 1}, at::kFloat, 0.5).exp(),
                       inverse_beta = normal({3, 1}, at::kFloat, 0.5).exp();
      expect_close(here(by_kernel([&] {
                     return anti_aliased_snake(there(x), there(alpha), there(inverse_beta), taps);
                   })),
                   twin::anti_aliased_snake(x, alpha, inverse_beta, taps), 1e-4);
    }
  }
}

TEST(GpuCode, PackPixels) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t width : {4, 12, 96}) {
      const at::Tensor video = (at::rand({3, 2, 6, width}) * 2.6 - 1.3).to(dtype);
      for (const Pixels pixels :
           {Pixels::kRgb, Pixels::kRgba, Pixels::kBgrx, Pixels::kI420, Pixels::kNv12}) {
        const at::Tensor expected = twin::pack_pixels(video, pixels);
        expect_near_bytes(here(by_kernel([&] { return pack_pixels(there(video), pixels); })),
                          expected);
      }
    }
  }
}

}  // namespace
}  // namespace ovi::kernels
