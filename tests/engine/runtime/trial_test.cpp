// Trials with a clock of their own.
// SPDX-License-Identifier: Apache-2.0
#include "runtime/trial.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "runtime/per_device.h"

namespace ovi {
namespace {

at::Tensor number(double value) { return at::full({1}, value, at::kDouble); }

Trial near_one() {
  Trial trial;
  trial.error = [](const at::Tensor& x) { return std::abs(x.item<double>() - 1); };
  trial.tolerance = 0.1;
  return trial;
}

TEST(Trial, SaysWhatIsWrong) {
  EXPECT_TRUE(try_out([] { return number(1.05); }, near_one()).good);
  const Verdict off = try_out([] { return number(1.5); }, near_one());
  EXPECT_FALSE(off.good);
  EXPECT_NEAR(off.error, 0.5, 1e-12);
  EXPECT_EQ(off.problem, "is off by 0.5");
  EXPECT_FALSE(try_out([] { return number(NAN); }, near_one()).good);
  const Verdict thrown =
      try_out([]() -> at::Tensor { throw std::runtime_error("no kernel\nbacktrace"); }, near_one());
  EXPECT_FALSE(thrown.good);
  EXPECT_EQ(thrown.problem, "fails (no kernel)");
}

TEST(Trial, MemoryThatEndsSaysNothingAboutAWay) {
  const auto full = []() -> at::Tensor { TORCH_CHECK_WITH(OutOfMemoryError, false, "full"); };
  EXPECT_THROW(try_out(full, near_one()), c10::OutOfMemoryError);
}

TEST(Trial, TimesTheFastestRunAfterTheFirst) {
  double clock = 0;
  int runs = 0, waits = 0;
  const std::vector<double> took = {9, 3, 2, 4};  // the first one warms up
  Trial trial = near_one();
  trial.timed_runs = 3;
  trial.synchronize = [&] { ++waits; };
  trial.now = [&] { return clock; };
  const Verdict verdict = try_out(
      [&] {
        clock += took[runs++];
        return number(1);
      },
      trial);
  EXPECT_TRUE(verdict.good);
  EXPECT_EQ(verdict.seconds, 2);
  EXPECT_EQ(runs, 4);
  EXPECT_EQ(waits, 6);
}

TEST(RelativeError, IsEuclidean) {
  const at::Tensor truth = at::full({4}, 2.0, at::kFloat);
  EXPECT_EQ(relative_error(truth, truth), 0);
  EXPECT_NEAR(relative_error(truth * 1.25, truth), 0.25, 1e-12);
}

TEST(PerDevice, FindsOutOnceAndAgainAfterAFailure) {
  PerDevice<int> found;
  int calls = 0;
  EXPECT_THROW(found.get(c10::kCPU,
                         [&](const c10::Device&) -> int {
                           ++calls;
                           throw std::runtime_error("busy");
                         }),
               std::runtime_error);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(found.get(c10::kCPU, [&](const auto&) { return ++calls; }), 2);
  EXPECT_EQ(found.get(c10::Device(c10::kMeta), [&](const auto&) { return ++calls; }), 3);
}

}  // namespace
}  // namespace ovi
