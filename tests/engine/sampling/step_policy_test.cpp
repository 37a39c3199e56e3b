// What each step computes, against plans made by hand from the rules and small tables.
// SPDX-License-Identifier: Apache-2.0
#include "sampling/step_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "sampling/scheduler.h"

namespace ovi {
namespace {

// Timesteps 1000, 999, ...
std::vector<double> countdown(int64_t steps) {
  std::vector<double> timesteps;
  for (int64_t i = 0; i < steps; ++i) timesteps.push_back(1000.0 - static_cast<double>(i));
  return timesteps;
}

// The same ratio from each timestep to the next.
MagnitudeTable constant(double video, double audio, double negative = 0) {
  MagnitudeRatios measured;
  measured.timesteps = {1000.0, 999.0};
  measured.ratios = {std::vector{video}, std::vector{negative > 0 ? negative : video},
                     std::vector{audio}, std::vector{negative > 0 ? negative : audio}};
  return MagnitudeTable(measured, "the test");
}

// Residual reuse alone, allowed everywhere but at the two ends.
StepRules reuse(int64_t most, double error) {
  StepRules rules;
  rules.first_full = 0.0;
  rules.most_reuses = most;
  rules.video_error = rules.audio_error = error;
  return rules;
}

// One letter a step: F full, G guidance reused, r residuals of both passes, R residual of the
// positive pass with the guidance reused.
std::string letters(const StepPolicy& policy) {
  std::string text;
  for (int64_t i = 0; i < policy.steps(); ++i) {
    const StepWork& work = policy.at(i);
    text += work.blocks ? (work.negative ? 'F' : 'G') : (work.negative ? 'r' : 'R');
  }
  return text;
}

std::string planned(const StepRules& rules, int64_t steps, const MagnitudeTable& table,
                    bool guided = true) {
  return letters(StepPolicy(rules, countdown(steps), guided, table));
}

TEST(StepPolicy, GathersErrorsUntilTheLimit) {
  // Ratio 0.99 a step: errors 0.01, 1 - 0.9801 = 0.0199, 0.029701, summing to 0.0100, 0.0299,
  // 0.059601.
  const MagnitudeTable table = constant(0.99, 0.99);
  EXPECT_EQ(planned(reuse(9, 0.0101), 8, table), "FrFrFrFF");
  EXPECT_EQ(planned(reuse(9, 0.0099), 8, table), "FFFFFFFF");
  EXPECT_EQ(planned(reuse(9, 0.0300), 8, table), "FrrFrrFF");
  EXPECT_EQ(planned(reuse(9, 0.0298), 8, table), "FrFrFrFF");
  EXPECT_EQ(planned(reuse(9, 0.0597), 9, table), "FrrrFrrrF");
  // Growing is as wrong as shrinking.
  EXPECT_EQ(planned(reuse(9, 0.0101), 8, constant(1.01, 1.01)), "FrFrFrFF");
}

TEST(StepPolicy, ReusesNeverMoreThanAllowedInARow) {
  const MagnitudeTable table = constant(1.0, 1.0);  // no error at all
  EXPECT_EQ(planned(reuse(0, 1.0), 6, table), "FFFFFF");
  EXPECT_EQ(planned(reuse(1, 1.0), 6, table), "FrFrFF");
  EXPECT_EQ(planned(reuse(2, 1.0), 8, table), "FrrFrrFF");
  EXPECT_EQ(planned(reuse(100, 1.0), 8, table), "FrrrrrrF");
}

TEST(StepPolicy, EveryStreamAndPassHasAVote) {
  const StepRules rules = reuse(9, 0.05);
  EXPECT_EQ(planned(rules, 6, constant(1.0, 1.0)), "FrrrrF");
  EXPECT_EQ(planned(rules, 6, constant(0.9, 1.0)), "FFFFFF");
  EXPECT_EQ(planned(rules, 6, constant(1.0, 0.9)), "FFFFFF");
  EXPECT_EQ(planned(rules, 6, constant(1.0, 1.0, 0.9)), "FFFFFF");
  EXPECT_EQ(planned(rules, 6, constant(1.0, 1.0, 0.9), false), "GRRRRG") << "no negative pass";
  StepRules strict = rules;
  strict.audio_error = 0.001;
  EXPECT_EQ(planned(strict, 6, constant(0.99, 0.99)), "FFFFFF");
  EXPECT_EQ(planned(strict, 6, constant(0.99, 1.0)), "FrrFrF");
}

TEST(StepPolicy, TheEndsAreComputedInFull) {
  StepRules rules = reuse(100, 1.0);
  rules.guidance_from = 0.0;
  rules.guidance_interval = 100;
  rules.first_full = 0.2;
  rules.last_full = 0.05;
  const MagnitudeTable table = constant(1.0, 1.0);
  EXPECT_EQ(planned(rules, 10, table), "FFRRRRRRRF");
  EXPECT_EQ(planned(rules, 11, table), "FFFRRRRRRRF");  // 2.2 steps are 3
  EXPECT_EQ(planned(rules, 21, table), "FFFFFRRRRRRRRRRRRRRFF");
  rules.first_full = rules.last_full = 0.0;  // one is kept at each end
  EXPECT_EQ(planned(rules, 5, table), "FRRRF");
  EXPECT_EQ(planned(rules, 2, table), "FF");
  EXPECT_EQ(planned(rules, 1, table), "F");
}

TEST(StepPolicy, GuidanceIsTakenAnewAtItsInterval) {
  StepRules rules = reuse(0, 0.0);
  rules.guidance_from = 0.5;
  const MagnitudeTable table = constant(1.0, 1.0);
  rules.guidance_interval = 1;
  EXPECT_EQ(planned(rules, 8, table), "FFFFFFFF");
  rules.guidance_interval = 2;
  EXPECT_EQ(planned(rules, 10, table), "FFFFFGFGFF");
  rules.guidance_interval = 4;
  EXPECT_EQ(planned(rules, 12, table), "FFFFFFGGGFGF");
  EXPECT_EQ(planned(rules, 12, table, false), "GGGGGGGGGGGG");
}

TEST(StepPolicy, BothKindsGoTogether) {
  StepRules rules = reuse(1, 1.0);
  rules.guidance_from = 0.5;
  rules.guidance_interval = 3;
  // Before the middle both residuals; after it the steps that run blocks take the guidance
  // anew at every third.
  EXPECT_EQ(planned(rules, 16, constant(1.0, 1.0)), "FrFrFrFrGRGRFRGF");
}

// Whatever is reused was kept by the step that computed it last, and nothing else is kept.
TEST(StepPolicy, KeepsExactlyWhatIsReused) {
  for (const Acceleration kind :
       {Acceleration::kNone, Acceleration::kBalanced, Acceleration::kFast}) {
    for (int64_t steps = 1; steps <= 1000; steps += steps < 60 ? 1 : 47) {
      for (const bool guided : {true, false}) {
        const auto scheduler = make_scheduler(Solver::kUnipc, steps, 5.0);
        const StepPolicy policy(rules_of(kind), scheduler->timesteps(), guided,
                                MagnitudeTable::of_the_backbone());
        ASSERT_EQ(policy.steps(), steps);
        const StepWork *blocks = nullptr, *negative = nullptr;
        std::vector<const StepWork*> used_blocks, used_negative;
        for (int64_t i = 0; i < steps; ++i) {
          const StepWork& work = policy.at(i);
          if (work.blocks) {
            blocks = &work;
          } else {
            ASSERT_TRUE(blocks && blocks->keep_residuals) << steps << ": " << letters(policy);
            ASSERT_TRUE(!work.negative || blocks->negative) << "a residual that is not there";
            used_blocks.push_back(blocks);
          }
          if (work.negative) {
            negative = &work;
          } else if (guided) {
            ASSERT_TRUE(negative && negative->keep_guidance) << steps << ": " << letters(policy);
            used_negative.push_back(negative);
          }
        }
        for (int64_t i = 0; i < steps; ++i) {
          const StepWork* work = &policy.at(i);
          const auto used = [&](const auto& by) {
            return std::find(by.begin(), by.end(), work) != by.end();
          };
          ASSERT_EQ(work->keep_residuals, used(used_blocks));
          ASSERT_EQ(work->keep_guidance, used(used_negative));
        }
        const StepWork whole{true, guided, false, false};
        const auto in_full = [&](int64_t i) {
          return policy.at(i).blocks && policy.at(i).negative == guided;
        };
        for (int64_t i = 0; i < steps; ++i) {
          if (kind == Acceleration::kNone) {
            ASSERT_EQ(policy.at(i), whole);
          }
          if (i < (steps + 4) / 5 || i >= steps - (steps + 19) / 20) {
            ASSERT_TRUE(in_full(i)) << i << " of " << steps << ": " << letters(policy);
          }
        }
      }
    }
  }
}

TEST(StepPolicy, CountsAndSharesAddUp) {
  const auto scheduler = make_scheduler(Solver::kUnipc, 50, 5.0);
  const MagnitudeTable table = MagnitudeTable::of_the_backbone();
  const auto policy = [&](Acceleration kind, bool guided) {
    return StepPolicy(rules_of(kind), scheduler->timesteps(), guided, table);
  };
  for (const bool guided : {true, false}) {
    const StepPolicy none = policy(Acceleration::kNone, guided);
    EXPECT_EQ(none.counts().full, 50);
    for (int64_t i = 0; i <= 50; ++i) {
      EXPECT_NEAR(none.share_done(i), static_cast<double>(i) / 50.0, 1e-12);
    }
    const StepPolicy balanced = policy(Acceleration::kBalanced, guided);
    const StepPolicy::Counts& counts = balanced.counts();
    EXPECT_EQ(counts.full + counts.guidance_reused + counts.reused, 50);
    EXPECT_EQ(counts.guidance_reused > 0, guided);
    EXPECT_GT(counts.reused, 10);
    EXPECT_LE(counts.reused, 20);  // never two in a row, and the first fifth is in full
    EXPECT_EQ(balanced.share_done(0), 0.0);
    EXPECT_DOUBLE_EQ(balanced.share_done(50), 1.0);
    for (int64_t i = 0; i < 50; ++i) {
      EXPECT_GT(balanced.share_done(i + 1), balanced.share_done(i));
    }
  }
  // By hand: full counts two passes, guidance reused one, residuals of both 0.06, of one 0.03.
  StepRules rules = reuse(1, 1.0);
  rules.guidance_from = 0.5;
  rules.guidance_interval = 3;
  const StepPolicy mixed(rules, countdown(8), true, constant(1.0, 1.0));
  EXPECT_EQ(letters(mixed), "FrFrGRGF");
  const double whole = 2 + 0.06 + 2 + 0.06 + 1 + 0.03 + 1 + 2;
  EXPECT_NEAR(mixed.share_done(2), 2.06 / whole, 1e-12);
  EXPECT_NEAR(mixed.share_done(6), 5.15 / whole, 1e-12);
}

TEST(StepPolicy, FastRunsThreeOfFiveSteps) {
  const StepRules none = rules_of(Acceleration::kNone), fast = rules_of(Acceleration::kFast);
  for (const int64_t asked : {1, 9, 10, 50, 1000}) EXPECT_EQ(steps_to_run(none, asked), asked);
  const std::pair<int64_t, int64_t> rows[] = {{1, 1},   {9, 9},   {10, 10}, {16, 10},
                                              {17, 11}, {50, 30}, {51, 31}, {1000, 600}};
  for (const auto& [asked, run] : rows) EXPECT_EQ(steps_to_run(fast, asked), run) << asked;
}

TEST(StepPolicy, FastLeavesOutMoreThanBalanced) {
  const MagnitudeTable table = MagnitudeTable::of_the_backbone();
  const auto passes = [&](Acceleration kind) {
    const StepRules rules = rules_of(kind);
    const auto scheduler = make_scheduler(Solver::kUnipc, steps_to_run(rules, 50), 5.0);
    const StepPolicy policy(rules, scheduler->timesteps(), true, table);
    return 2 * policy.counts().full + policy.counts().guidance_reused;
  };
  EXPECT_EQ(passes(Acceleration::kNone), 100);
  EXPECT_LT(passes(Acceleration::kBalanced), 65);
  EXPECT_LT(passes(Acceleration::kFast), passes(Acceleration::kBalanced) - 15);
}

TEST(StepPolicy, SaysWhatIsLeftOut) {
  const MagnitudeTable table = constant(1.0, 1.0);
  EXPECT_EQ(StepPolicy(StepRules{}, countdown(1), true, table).summary(1), "1 step, all in full.");
  EXPECT_EQ(StepPolicy(StepRules{}, countdown(50), true, table).summary(50),
            "50 steps, all in full.");
  StepRules rules = reuse(1, 1.0);
  rules.guidance_from = 0.5;
  rules.guidance_interval = 3;
  EXPECT_EQ(StepPolicy(rules, countdown(8), true, table).summary(12),
            "8 steps instead of 12: 3 in full, 2 with the guidance of an earlier step, 3 with the "
            "residuals of an earlier step (magnitudes of the test).");
}

}  // namespace
}  // namespace ovi
