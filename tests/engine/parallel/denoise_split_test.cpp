// The transformer and the step loop on several ranks, against one.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../models/case_data.h"
#include "../tiny_model.h"
#include "parallel/split.h"
#include "pipeline/denoise.h"
#include "runtime/error.h"
#include "step_bytes.h"
#include "thread_group.h"

namespace ovi {
namespace {

using parallel::Group;
using parallel::Share;
using parallel::Split;
using test::on_ranks;
using testing::max_difference;
using testing::seeded_normal;

constexpr int64_t kFrames = 3, kHeight = 4, kWidth = 6, kSound = 8;
constexpr int64_t kTokens = kFrames * (kHeight / 2) * (kWidth / 2);

class SplitTest : public ::testing::TestWithParam<int64_t> {
 protected:
  SplitTest() : model(test::tiny_model()), fusion(test::load(*model)) {
    auto random = [seed = uint64_t{20}](const std::vector<int64_t>& shape) mutable {
      return seeded_normal(shape, ++seed);
    };
    const at::Tensor text = random({5, 32});
    conditioning.positive = fusion->encode_context(text, text);
    conditioning.negative = fusion->encode_context(random({3, 32}), random({4, 32}));
    conditioning.image_latents = random({48, 1, kHeight, kWidth});
    noise = make_noise({48, kFrames, kHeight, kWidth}, {kSound, 20}, 3, at::kFloat, c10::kCPU);
    request.steps = 4;
    request.slg_layer = 1;
  }

  Latents alone() const {
    return denoise(*fusion, conditioning, noise, request, step_policy(request, model->magnitudes()),
                   nullptr, nullptr);
  }
  /// Expects the clip of one device on each of the ranks, and the same bits on all.
  void expect_same(int64_t ranks) const {
    const Latents truth = alone();
    const StepPolicy policy = step_policy(request, model->magnitudes());
    std::vector<Latents> made(static_cast<size_t>(ranks));
    on_ranks(ranks, [&](const std::shared_ptr<Group>& group) {
      const Split split(group, kTokens, kSound, needs_negative_pass(request));
      Conditioning own = conditioning;
      const OwnPasses passes = own_passes(policy, split);
      if (!passes.positive) own.positive = {};
      if (own.negative && !passes.negative) own.negative = FusionTransformer::Context();
      made[group->rank()] =
          denoise(*fusion, own, noise, request, policy, nullptr, nullptr, nullptr, nullptr, &split);
    });
    for (const Latents& latents : made) {
      EXPECT_LT(max_difference(latents.video, truth.video), 1e-4);
      EXPECT_LT(max_difference(latents.audio, truth.audio), 1e-4);
      EXPECT_TRUE(latents.video.equal(made[0].video));
      EXPECT_TRUE(latents.audio.equal(made[0].audio));
    }
  }

  c10::InferenceMode inference;
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<const FusionTransformer> fusion;
  Conditioning conditioning;
  Latents noise;
  Request request;
};

TEST_P(SplitTest, ThePassesOfAStepAreThoseOfOneDevice) {
  const auto time = fusion->embed_times({500.0}, true)[0];
  const auto whole = fusion->forward(
      noise.video, noise.audio, time, fusion->positions(kFrames, kHeight, kWidth, kSound),
      {{&conditioning.positive, 0}, {&*conditioning.negative, 1}}, nullptr);
  on_ranks(GetParam(), [&](const std::shared_ptr<Group>& group) {
    const Split split(group, kTokens, kSound, /*guided=*/true);
    const auto& layout = split.layout(/*two_passes=*/true);
    const auto positions = fusion->positions(kFrames, kHeight, kWidth, layout);
    std::vector<FusionTransformer::Pass> passes;
    if (layout.has(0)) passes.push_back({&conditioning.positive, 0});
    if (layout.has(1)) passes.push_back({&*conditioning.negative, 1});
    const auto own =
        fusion->forward_tokens(noise.video, noise.audio, time, positions, passes, nullptr);
    const auto all = split.exchange(layout, own, 2);
    ASSERT_EQ(all.size(), 2u);
    for (size_t p = 0; p < 2; ++p) {
      const auto got = fusion->velocity(all[p], positions);
      EXPECT_LT(max_difference(got.video, whole[p].video), 1e-5);
      EXPECT_LT(max_difference(got.audio, whole[p].audio), 1e-5);
    }
  });
}

TEST_P(SplitTest, GivesTheLatentsOfOneDevice) { expect_same(GetParam()); }

TEST_P(SplitTest, SoItDoesForATextAlone) {
  conditioning.image_latents.reset();
  expect_same(GetParam());
}

TEST_P(SplitTest, SoItDoesWithoutANegativePass) {
  request.video_guidance_scale = request.audio_guidance_scale = 1.0;
  conditioning.negative.reset();
  expect_same(GetParam());
}

TEST_P(SplitTest, SoItDoesWhereStepsReuseWhatEarlierOnesFound) {
  request.steps = 24;
  request.acceleration = Acceleration::kBalanced;
  const auto counts = step_policy(request, model->magnitudes()).counts();
  ASSERT_GT(counts.reused, 0);
  ASSERT_GT(counts.guidance_reused, 0);
  expect_same(GetParam());
}

TEST_P(SplitTest, SendsTheBytesThatTheFormulaSays) {
  const int64_t ranks = GetParam();
  const at::Tensor& keys = conditioning.positive.video[0].k;  // [512, heads, d]
  const test::StepSizes sizes{
      kTokens, kSound, keys.size(1), keys.size(2), fusion->num_blocks(), 4 * 48, 20, 4};
  request.steps = 2;
  request.slg_layer = 0;
  const StepPolicy policy = step_policy(request, model->magnitudes());
  std::vector<int64_t> bytes(static_cast<size_t>(ranks));
  on_ranks(ranks, [&](const std::shared_ptr<Group>& group) {
    const Split split(group, kTokens, kSound, /*guided=*/true);
    denoise(*fusion, conditioning, noise, request, policy, nullptr, nullptr, nullptr, nullptr,
            &split);
    bytes[group->rank()] = group->bytes_sent();
  });
  for (int64_t r = 0; r < ranks; ++r) {
    EXPECT_EQ(bytes[r], policy.steps() * test::step_bytes(sizes, ranks, r)) << "rank " << r;
  }
}

TEST_P(SplitTest, ACancelledRankThrowsAndTheOthersWithIt) {
  Cancel cancel;
  const StepPolicy policy = step_policy(request, model->magnitudes());
  std::atomic<int> cancelled{0}, gone{0};
  EXPECT_THROW(on_ranks(GetParam(),
                        [&](const std::shared_ptr<Group>& group) {
                          const Split split(group, kTokens, kSound, /*guided=*/true);
                          try {
                            denoise(
                                *fusion, conditioning, noise, request, policy,
                                [&](int64_t) { cancel.trigger(); },
                                group->rank() == 0 ? &cancel : nullptr, nullptr, nullptr, &split);
                          } catch (const Error& error) {
                            ++(error.kind() == ErrorKind::kCancelled ? cancelled : gone);
                            throw;
                          }
                        }),
               Error);
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(gone, GetParam() - 1);
}

INSTANTIATE_TEST_SUITE_P(Ranks, SplitTest, ::testing::Values(2, 3, 4, 6, 8));

TEST(Split, SaysWhenThereAreMoreRanksThanTokens) {
  std::string message;
  try {
    on_ranks(3, [](const std::shared_ptr<Group>& group) { Split(group, 2, 8, true); });
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSettings);
    message = error.what();
  }
  EXPECT_NE(message.find("3 devices"), std::string::npos) << message;
}

// The table of docs/scaling.md: the published model at 704x704 in bfloat16.
TEST(PublishedModel, SendsWhatTheDocumentationSays) {
  std::ifstream file(std::string(std::getenv("OVI_TEST_DATA")) + "/../../docs/scaling.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const test::StepSizes sizes{31 * 22 * 22, 157, 24, 128, 30, 4 * 48, 20, 2};
  for (const int64_t ranks : {2, 3, 4, 6, 8}) {
    int64_t most = 0;
    for (int64_t r = 0; r < ranks; ++r) {
      most = std::max(most, test::step_bytes(sizes, ranks, r));
    }
    const int64_t halves = ranks % 2 == 0 ? 2 : 1;
    char row[64];
    std::snprintf(row, sizeof row, "\n| %d | %d x %d | %.1f |", static_cast<int>(ranks),
                  static_cast<int>(halves), static_cast<int>(ranks / halves),
                  static_cast<double>(most) / 1e6);
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace ovi
