// Decibels against figures worked out by hand.
// SPDX-License-Identifier: Apache-2.0
#include "quality.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/error.h"

namespace ovi::bench {
namespace {

TEST(Psnr, IsThatOfTheMeanSquaredError) {
  const at::Tensor truth = at::full({2, 100}, 50, at::kByte);
  at::Tensor frames = truth.clone();
  EXPECT_EQ(psnr(frames, truth), INFINITY);
  frames[1][7] = 250;  // 200 off in one of 200 bytes: a mean square of 200
  EXPECT_NEAR(psnr(frames, truth), 10 * std::log10(65025.0 / 200.0), 1e-9);
  EXPECT_NEAR(psnr(truth, frames), psnr(frames, truth), 1e-9);  // no wrap-around below 0
  EXPECT_NEAR(psnr(at::zeros({1, 4}, at::kByte), at::full({1, 4}, 255, at::kByte)), 0, 1e-9);
}

TEST(Snr, IsThatOfTheSums) {
  const at::Tensor truth = at::full({1000}, 0.5, at::kFloat);
  EXPECT_EQ(snr(truth, truth), INFINITY);
  EXPECT_NEAR(snr(truth * 1.1, truth), 20, 1e-5);  // a tenth of the amplitude
  EXPECT_NEAR(snr(truth * 0, truth), 0, 1e-9);
  EXPECT_TRUE(std::isnan(snr(truth, truth * 0)));
}

TEST(Quality, ComparesEqualSizesOnly) {
  EXPECT_THROW(psnr(at::zeros({1, 4}, at::kByte), at::zeros({1, 5}, at::kByte)), Error);
  EXPECT_THROW(snr(at::zeros({4}), at::zeros({4}, at::kShort)), Error);
}

}  // namespace
}  // namespace ovi::bench
