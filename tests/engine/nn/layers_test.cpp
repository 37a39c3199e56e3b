// Layers against the plain formulas, in float64.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <utility>

#include "../fake_device/fake_device.h"
#include "../memory_source.h"
#include "nn/attention.h"
#include "nn/convolution.h"
#include "nn/linear.h"
#include "nn/modulation.h"
#include "nn/norm.h"
#include "nn/rope.h"

namespace ovi::nn {
namespace {

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TEST(Linear, IsAMatrixProduct) {
  const at::Tensor w = at::randn({5, 3}), b = at::randn({5}), x = at::randn({2, 3});
  const Linear with(test::made_up({{"weight", w}, {"bias", b}}), 5, 3);
  EXPECT_LT(difference(with(x), at::matmul(x, w.t()) + b), 1e-6);
  const Linear without(test::made_up({{"weight", w}}));
  EXPECT_LT(difference(without(x), at::matmul(x, w.t())), 1e-6);
  EXPECT_EQ(without.in_features(), 3);
  EXPECT_EQ(without.out_features(), 5);
}

TEST(Linear, NamesAWrongShape) {
  const auto weights = test::made_up({{"block.q.weight", at::zeros({5, 3})}}).at("block.q");
  try {
    const Linear q(weights, 5, 4);
    FAIL() << "a [5, 3] weight was taken for [5, 4]";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kFormat);
    const std::string text = error.what();
    for (const char* part : {"made-up.safetensors", "block.q.weight", "[5, 3]", "[5, 4]"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
  }
  EXPECT_THROW(Linear(test::made_up({{"weight", at::zeros({5, 3})}, {"bias", at::zeros({4})}})),
               Error);
}

class AttentionTest : public testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};

TEST_P(AttentionTest, IsSoftmaxOfTheScores) {
  const auto [lq, lk, d] = GetParam();
  const int64_t heads = 3;
  const at::Tensor q = at::randn({lq, heads, d}), k = at::randn({lk, heads, d}),
                   v = at::randn({lk, heads, d}), bias = at::randn({heads, lq, lk});
  const auto plain = [&](double scale, bool biased) {
    at::Tensor scores = at::einsum("qhd,khd->hqk", {q.to(at::kDouble), k.to(at::kDouble)}) * scale;
    if (biased) scores = scores + bias;
    return at::einsum("hqk,khd->qhd", {at::softmax(scores, -1), v.to(at::kDouble)}).flatten(1);
  };
  EXPECT_LT(difference(attention(q, k, v), plain(1.0 / std::sqrt(d), false)), 1e-5);
  EXPECT_LT(difference(attention(q, k, v, bias, 1.0), plain(1.0, true)), 1e-4);
  EXPECT_EQ(attention(q, k, v).sizes(), at::IntArrayRef({lq, heads * d}));
  // An accelerator goes another way with a bias.
  const auto there = [](const at::Tensor& x) { return x.to(test::fake::device()); };
  for (const auto& [factor, wish] :
       {std::pair<double, std::optional<double>>{1.0, 1.0}, {1.0 / std::sqrt(d), std::nullopt}}) {
    const at::Tensor y = attention(there(q), there(k), there(v), there(bias), wish);
    EXPECT_LT(difference(y.to(at::kCPU), plain(factor, true)), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, AttentionTest,
                         testing::Values(std::make_tuple(1, 1, 8), std::make_tuple(7, 513, 24),
                                         std::make_tuple(130, 65, 128)));

TEST(LayerNorm, HasZeroMeanAndUnitVariance) {
  const at::Tensor x = at::randn({4, 64}) * 30 + 7;
  const at::Tensor y = LayerNorm(64)(x).to(at::kDouble);
  EXPECT_LT(y.mean(-1).abs().max().item<double>(), 1e-5);
  EXPECT_LT((y.pow(2).mean(-1) - 1).abs().max().item<double>(), 1e-4);
  const at::Tensor w = at::randn({64}), b = at::randn({64});
  const LayerNorm affine(test::made_up({{"weight", w}, {"bias", b}}), 64);
  EXPECT_LT(difference(affine(x), LayerNorm(64)(x) * w + b), 1e-5);
}

TEST(RmsNorm, DividesByTheRootMeanSquare) {
  const at::Tensor x = at::randn({4, 64}) * 30, w = at::randn({64});
  const RmsNorm norm(test::made_up({{"weight", w}}), 64);
  const at::Tensor d = x.to(at::kDouble);
  const at::Tensor expected = d / (d.pow(2).mean(-1, true) + 1e-6).sqrt() * w;
  EXPECT_LT(difference(norm(x), expected), 1e-5);
  const RmsNorm half(test::made_up({{"weight", w}}, at::kBFloat16), 64);
  EXPECT_LT(difference(half(x.to(at::kBFloat16)), expected), 0.05);
}

TEST(RmsNorm, SurvivesZeros) {
  const RmsNorm norm(test::made_up({{"weight", at::ones({8})}}), 8);
  EXPECT_EQ(norm(at::zeros({2, 8})).abs().max().item<double>(), 0.0);
}

TEST(Rope, KeepsLengthsAndThePositionZero) {
  const at::Tensor x = at::randn({2 * 3 * 4, 2, 24});
  const at::Tensor y = rope(x, rope_table_3d(24, 2, 3, 4, c10::kCPU));
  EXPECT_LT(difference(x.norm(2, -1), y.norm(2, -1)), 1e-5);
  EXPECT_LT(difference(x[0], y[0]), 1e-6);
  EXPECT_GT(difference(x[1], y[1]), 1e-2);
}

TEST(Rope, ScoresDependOnDistanceAlone) {
  const at::Tensor q = at::randn({1, 1, 24}), k = at::randn({1, 1, 24});
  const RopeTable table = rope_table_1d(24, 50, 0.19676, c10::kCPU);
  const auto at_position = [&](const at::Tensor& x, int64_t p) {
    return rope(x, {table.rotations.narrow(0, p, 1)});
  };
  const auto score = [&](int64_t p, int64_t r) {
    return (at_position(q, p) * at_position(k, r)).sum().item<double>();
  };
  EXPECT_NEAR(score(3, 10), score(30, 37), 1e-5);
  EXPECT_GT(std::abs(score(3, 10) - score(3, 40)), 1e-4);
}

TEST(Rope, TurnsEachAxisWithItsOwnPairs) {
  // Head size 24: pairs 0-3 frame, 4-7 row, 8-11 column.
  const at::Tensor x = at::ones({2 * 2 * 2, 1, 24});
  const at::Tensor moved =
      (rope(x, rope_table_3d(24, 2, 2, 2, c10::kCPU)) - x).view({2, 2, 2, 12, 2}).abs().sum(-1);
  const auto turned = [&](int64_t f, int64_t r, int64_t c, int64_t first) {
    return moved[f][r][c].narrow(0, first, 4).max().item<double>() > 1e-3;
  };
  for (int64_t f = 0; f < 2; ++f) {
    for (int64_t r = 0; r < 2; ++r) {
      for (int64_t c = 0; c < 2; ++c) {
        EXPECT_EQ(turned(f, r, c, 0), f > 0);
        EXPECT_EQ(turned(f, r, c, 4), r > 0);
        EXPECT_EQ(turned(f, r, c, 8), c > 0);
      }
    }
  }
}

TEST(Rope, AnglesFollowTheta) {
  // Pair i of p turns by position * 10000^(-i/p): the second of four, at position 1.
  at::Tensor x = at::zeros({2, 1, 24});
  x[1][0][2] = 1.0;
  const at::Tensor y = rope(x, rope_table_1d(24, 2, 0.5, c10::kCPU));
  const double angle = 0.5 * std::pow(10000.0, -0.25);
  EXPECT_NEAR(y[1][0][2].item<double>(), std::cos(angle), 1e-6);
  EXPECT_NEAR(y[1][0][3].item<double>(), std::sin(angle), 1e-6);
  // Audio leaves the pairs of row and column alone.
  const at::Tensor z = at::randn({2, 1, 24});
  EXPECT_EQ(difference(rope(z, rope_table_1d(24, 2, 0.5, c10::kCPU)).narrow(2, 8, 16),
                       z.narrow(2, 8, 16)),
            0.0);
}

TEST(Rope, KeepsBfloat16) {
  const at::Tensor x = at::randn({6, 2, 24});
  const RopeTable table = rope_table_1d(24, 6, 1.0, c10::kCPU);
  const at::Tensor y = rope(x.to(at::kBFloat16), table);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_LT(difference(y, rope(x, table)), 0.05);
}

// A kernel of any size is a sum of shifted matrix products.
TEST(Convolution, SumsItsTaps) {
  for (const int64_t channels : {1, 5, 16}) {
    const at::Tensor x = at::randn({1, channels, 4, 7, 6}), w = at::randn({3, channels, 3, 3, 3}),
                     b = at::randn({3});
    at::Tensor expected = at::zeros({1, 3, 2, 7, 6}, at::TensorOptions().dtype(at::kDouble));
    const at::Tensor padded = at::constant_pad_nd(x, {1, 1, 1, 1}).to(at::kDouble);
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t r = 0; r < 3; ++r) {
        for (int64_t c = 0; c < 3; ++c) {
          const at::Tensor part = padded.narrow(2, t, 2).narrow(3, r, 7).narrow(4, c, 6);
          const at::Tensor tap = w.select(4, c).select(3, r).select(2, t).to(at::kDouble);
          expected += at::einsum("nithw,oi->nothw", {part, tap});
        }
      }
    }
    expected += b.view({1, 3, 1, 1, 1});
    const at::Tensor got = convolve(x, w, b, {1, 1, 1}, {0, 1, 1}, {1, 1, 1});
    EXPECT_LT(difference(got, expected), 1e-4) << channels;
    const at::Tensor rounded = convolve(x.to(at::kBFloat16), w.to(at::kBFloat16),
                                        b.to(at::kBFloat16), {1, 1, 1}, {0, 1, 1}, {1, 1, 1});
    EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
    EXPECT_LT(difference(rounded, expected), 0.05 * expected.abs().max().item<double>());
  }
}

TEST(Convolution, StridesAndDilates) {
  const at::Tensor x = at::randn({1, 4, 9, 8}), w = at::randn({6, 4, 3, 3});
  const at::Tensor padded = at::constant_pad_nd(x, {2, 2, 2, 2});
  at::Tensor expected = at::zeros({1, 6, 5, 4}, at::TensorOptions().dtype(at::kDouble));
  for (int64_t r = 0; r < 3; ++r) {
    for (int64_t c = 0; c < 3; ++c) {
      const at::Tensor part = padded.slice(2, 2 * r, 2 * r + 9, 2).slice(3, 2 * c, 2 * c + 8, 2);
      expected += at::einsum("nihw,oi->nohw",
                             {part.to(at::kDouble), w.select(3, c).select(2, r).to(at::kDouble)});
    }
  }
  EXPECT_LT(difference(convolve(x, w, {}, {2, 2}, {2, 2}, {2, 2}), expected), 1e-4);
}

TEST(Modulation, GivesTheFirstTokensTheirOwnRow) {
  const at::Tensor x = at::randn({5, 3}), y = at::randn({5, 3});
  const at::Tensor shift = at::randn({2, 3}), scale = at::randn({2, 3});
  for (const int64_t first : {0, 2, 5}) {
    at::Tensor modulated = x.clone(), gated = x.clone();
    modulate_(modulated, shift, scale, {first});
    add_gated_(gated, y, scale, {first});
    for (int64_t i = 0; i < 5; ++i) {
      const int64_t row = i < first ? 0 : 1;
      EXPECT_LT(difference(modulated[i], x[i] * (scale[row] + 1) + shift[row]), 1e-6);
      EXPECT_LT(difference(gated[i], x[i] + y[i] * scale[row]), 1e-6);
    }
  }
  at::Tensor single = x.clone();  // one row serves all, whatever the first frame's size
  modulate_(single, shift.narrow(0, 0, 1), scale.narrow(0, 0, 1), {2});
  EXPECT_LT(difference(single, x * (scale[0] + 1) + shift[0]), 1e-6);
}

}  // namespace
}  // namespace ovi::nn
