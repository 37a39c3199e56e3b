// Schedulers by what must hold for any of them; the published numbers are parity cases.
// SPDX-License-Identifier: Apache-2.0
#include "sampling/scheduler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/error.h"
#include "sampling/guidance.h"

namespace ovi {
namespace {

using Parameters = std::tuple<Solver, int64_t, double>;

class SchedulerTest : public testing::TestWithParam<Parameters> {
 protected:
  std::unique_ptr<Scheduler> make() const {
    const auto [solver, steps, shift] = GetParam();
    return make_scheduler(solver, steps, shift);
  }
};

TEST_P(SchedulerTest, TablesFallFromNoiseToZero) {
  const auto scheduler = make();
  const auto& sigmas = scheduler->sigmas();
  ASSERT_EQ(sigmas.size(), scheduler->timesteps().size() + 1);
  EXPECT_LE(sigmas.front(), 1.0);
  EXPECT_EQ(sigmas.back(), 0.0);
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    EXPECT_GT(sigmas[i], sigmas[i + 1]) << i;
    EXPECT_LE(std::abs(scheduler->timesteps()[i] - sigmas[i] * 1000), 1.001) << i;
  }
}

// With the true velocity of a straight path every solver arrives at the clean sample.
TEST_P(SchedulerTest, ArrivesWhereTheVelocityPoints) {
  const auto scheduler = make();
  const at::Tensor clean = at::randn({3, 4}), noise = at::randn({3, 4});
  const double first = scheduler->sigmas().front();
  at::Tensor x = clean * (1 - first) + noise * first;
  for (int64_t i = 0; i < scheduler->steps(); ++i) {
    x = scheduler->step(i, noise - clean, x);
    ASSERT_TRUE(x.isfinite().all().item<bool>()) << i;
    const double sigma = scheduler->sigmas()[i + 1];
    EXPECT_LT((x - (clean * (1 - sigma) + noise * sigma)).abs().max().item<double>(), 2e-4) << i;
  }
}

TEST_P(SchedulerTest, LeavesItsInputAlone) {
  const auto scheduler = make();
  const at::Tensor x = at::randn({2, 2}), v = at::randn({2, 2});
  const at::Tensor x_before = x.clone(), v_before = v.clone();
  scheduler->step(0, v, x);
  EXPECT_TRUE(x.equal(x_before));
  EXPECT_TRUE(v.equal(v_before));
}

INSTANTIATE_TEST_SUITE_P(
    All, SchedulerTest,
    testing::Combine(testing::Values(Solver::kUnipc, Solver::kDpmpp, Solver::kEuler),
                     testing::Values(1, 2, 3, 8, 50, 400), testing::Values(1.0, 5.0, 17.0)));

// A curved path tells orders apart: second order must beat Euler clearly.
TEST(Scheduler, SecondOrderBeatsFirstOnACurvedPath) {
  const at::Tensor noise = at::randn({64});
  const auto error_of = [&](Solver solver) {
    const auto scheduler = make_scheduler(solver, 20, 1.0);
    // dx/dsigma = -x: x(sigma) = x(1) e^(1 - sigma)
    at::Tensor x = noise.clone();
    const double start = scheduler->sigmas().front();
    for (int64_t i = 0; i < scheduler->steps(); ++i) x = scheduler->step(i, -x, x);
    return (x - noise * std::exp(start)).norm().item<double>();
  };
  EXPECT_LT(error_of(Solver::kDpmpp) * 2, error_of(Solver::kEuler));
  EXPECT_LT(error_of(Solver::kUnipc) * 2, error_of(Solver::kEuler));
}

TEST(Scheduler, RefusesWhatCannotBeRun) {
  for (const int64_t steps : {int64_t{0}, int64_t{-1}, int64_t{1001}}) {
    EXPECT_THROW(make_scheduler(Solver::kUnipc, steps, 5.0), Error);
  }
  for (const double shift : {0.0, -1.0, double{NAN}, double{INFINITY}}) {
    EXPECT_THROW(make_scheduler(Solver::kUnipc, 10, shift), Error);
  }
  try {
    solver_of("heun");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSettings);
    EXPECT_NE(std::string(error.what()).find("heun"), std::string::npos);
  }
  EXPECT_EQ(solver_of("dpm++"), Solver::kDpmpp);
}

TEST(Guidance, MixesByScale) {
  const at::Tensor positive = at::randn({5}), negative = at::randn({5});
  const auto off = [&](double scale, const at::Tensor& expected) {
    return (guide(positive, negative, scale) - expected).abs().max().item<double>();
  };
  EXPECT_LT(off(0.0, negative), 1e-6);
  EXPECT_LT(off(1.0, positive), 1e-6);
  EXPECT_LT(off(4.0, negative + (positive - negative) * 4.0), 1e-5);
}

}  // namespace
}  // namespace ovi
