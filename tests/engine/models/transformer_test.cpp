// Fusion transformer and text encoder: what the parity cases do not show.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "models/fusion_transformer.h"
#include "models/umt5_encoder.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/trial.h"
#include "weights/synthetic.h"

namespace ovi {
namespace {

std::string tiny(const char* file) {
  return std::string(std::getenv("OVI_TEST_DATA")) + "/models/tiny/" + file;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

class FusionTest : public testing::Test {
 protected:
  FusionTest()
      : model(Weights(open_tensors(tiny("Ovi/model.safetensors")), {}), {2, 0.19676}),
        video(at::randn({48, 3, 4, 6})),
        audio(at::randn({10, 20})),
        one(model.encode_context(at::randn({5, 32}), at::randn({7, 32}))),
        two(model.encode_context(at::randn({9, 32}), at::randn({512, 32}))),
        positions(model.positions(3, 4, 6, 10)) {}

  std::vector<FusionTransformer::Velocity> run(const std::vector<FusionTransformer::Pass>& passes,
                                               bool clean = true) {
    return model.forward(video, audio, model.embed_times({500.0}, clean)[0], positions, passes,
                         nullptr);
  }

  FusionTransformer model;
  at::Tensor video, audio;
  FusionTransformer::Context one, two;
  FusionTransformer::Positions positions;
};

TEST_F(FusionTest, PortionsOfAFewRowsGiveWhatAllGive) {
  for (const int64_t rows : {1, 5, 18}) {
    const FusionTransformer small(Weights(open_tensors(tiny("Ovi/model.safetensors")), {}),
                                  {2, 0.19676}, {rows, 1, /*keeps_text_keys=*/false});
    const at::Tensor text = at::randn({5, 32});
    const auto context = small.encode_context(text, text), kept = model.encode_context(text, text);
    EXPECT_TRUE(context.video.empty());
    EXPECT_FALSE(kept.embedded.video.defined());
    for (const bool clean : {false, true}) {
      const auto made = small.forward(video, audio, small.embed_times({500.0}, clean)[0], positions,
                                      {{&context, 0}, {&context, 1}}, nullptr);
      const auto expected = run({{&kept, 0}, {&kept, 1}}, clean);
      for (size_t p = 0; p < made.size(); ++p) {
        EXPECT_LT(difference(made[p].video, expected[p].video), 1e-5);
        EXPECT_LT(difference(made[p].audio, expected[p].audio), 1e-5);
      }
    }
  }
}

// As many rows as a plan takes at once: the same products, to the last bit.
TEST(FusionPortions, OfThousandsOfRowsGiveTheSameBits) {
  SyntheticSize size;
  size.fusion = {2, 64, 128, 32, 32, 48, 20};
  const auto source = synthetic_fusion(size);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Weights weights(source, {dtype, c10::kCPU, {}});
    const FusionTransformer whole(weights, {2, 0.19676});
    const FusionTransformer parts(weights, {2, 0.19676}, {2048, 1, /*keeps_text_keys=*/false});
    const auto positions = whole.positions(5, 64, 64, 40);  // 5120 tokens
    const at::Tensor video = at::randn({48, 5, 64, 64}), audio = at::randn({40, 20}),
                     text = at::randn({9, 32}).to(dtype);
    const auto run = [&](const FusionTransformer& model) {
      const auto context = model.encode_context(text, text);
      return model.forward(video, audio, model.embed_times({500.0}, true)[0], positions,
                           {{&context, 0}}, nullptr)[0];
    };
    const auto expected = run(whole), made = run(parts);
    EXPECT_TRUE(made.video.equal(expected.video)) << difference(made.video, expected.video);
    EXPECT_TRUE(made.audio.equal(expected.audio)) << difference(made.audio, expected.audio);
  }
}

TEST_F(FusionTest, PassesTogetherGiveWhatEachGivesAlone) {
  const auto together = run({{&one, 0}, {&two, 1}, {&two, 0}});
  const auto first = run({{&one, 0}}), second = run({{&two, 1}}), third = run({{&two, 0}});
  ASSERT_EQ(together.size(), 3u);
  EXPECT_LT(difference(together[0].video, first[0].video), 1e-6);
  EXPECT_LT(difference(together[1].video, second[0].video), 1e-6);
  EXPECT_LT(difference(together[1].audio, second[0].audio), 1e-6);
  EXPECT_LT(difference(together[2].audio, third[0].audio), 1e-6);
  EXPECT_GT(difference(together[1].video, together[2].video), 1e-4) << "skipping changed nothing";
  EXPECT_GT(difference(together[0].video, together[2].video), 1e-4) << "the prompt changed nothing";
}

TEST_F(FusionTest, LeavesItsInputsAlone) {
  const at::Tensor video_before = video.clone(), audio_before = audio.clone();
  run({{&one, 0}, {&two, 1}});
  EXPECT_TRUE(video.equal(video_before));
  EXPECT_TRUE(audio.equal(audio_before));
}

TEST_F(FusionTest, ABlockBeyondTheLastIsNoneToSkip) {
  EXPECT_EQ(difference(run({{&one, 99}})[0].video, run({{&one, 0}})[0].video), 0.0);
}

TEST_F(FusionTest, StreamsHearEachOther) {
  const auto before = run({{&one, 0}});
  audio = at::randn({10, 20});
  EXPECT_GT(difference(run({{&one, 0}})[0].video, before[0].video), 1e-5);
}

TEST_F(FusionTest, TheCleanFrameHasATimeOfItsOwn) {
  EXPECT_GT(difference(run({{&one, 0}}, true)[0].video, run({{&one, 0}}, false)[0].video), 1e-4);
}

TEST_F(FusionTest, PollsTheCancelFlag) {
  Cancel cancel;
  cancel.trigger();
  const auto time = model.embed_times({500.0}, true)[0];
  EXPECT_THROW(model.forward(video, audio, time, positions, {{&one, 0}}, &cancel), Error);
  FusionTransformer::Residual kept;
  run({{&one, 0, &kept}});
  EXPECT_THROW(model.forward(video, audio, time, positions, {{&one, 0, nullptr, &kept}}, &cancel),
               Error);
}

TEST_F(FusionTest, KeepingTheResidualsChangesNoBit) {
  const auto plain = run({{&one, 0}, {&two, 1}});
  FusionTransformer::Residual first, second;
  const auto kept = run({{&one, 0, &first}, {&two, 1, &second}});
  for (const size_t p : {0, 1}) {
    EXPECT_TRUE(kept[p].video.equal(plain[p].video));
    EXPECT_TRUE(kept[p].audio.equal(plain[p].audio));
  }
  EXPECT_EQ(first.video.sizes(), at::IntArrayRef({3 * 2 * 3, 48}));
  EXPECT_EQ(second.audio.sizes(), at::IntArrayRef({10, 48}));
  EXPECT_EQ(first.video.scalar_type(), at::kFloat);
}

TEST_F(FusionTest, WhatWasKeptGivesTheSameWhenReused) {
  FusionTransformer::Residual first, second;
  const auto truth = run({{&one, 0, &first}, {&two, 1, &second}});
  const auto before = first.video.clone();
  const auto both = run({{nullptr, 0, nullptr, &first}, {nullptr, 1, nullptr, &second}});
  const auto alone = run({{nullptr, 0, nullptr, &second}});
  const auto mixed = run({{nullptr, 0, nullptr, &first}, {&two, 1}});
  // x + (y - x) rounds where y did not.
  EXPECT_LT(difference(both[0].video, truth[0].video), 2e-6);
  EXPECT_LT(difference(both[0].audio, truth[0].audio), 2e-6);
  EXPECT_LT(difference(both[1].video, truth[1].video), 2e-6);
  EXPECT_LT(difference(both[1].audio, truth[1].audio), 2e-6);
  EXPECT_LT(difference(alone[0].audio, truth[1].audio), 2e-6);
  EXPECT_LT(difference(mixed[0].video, truth[0].video), 2e-6);
  EXPECT_LT(difference(mixed[1].video, truth[1].video), 1e-6);
  EXPECT_GT(difference(truth[0].video, truth[1].video), 1e-4) << "the two passes are alike";
  EXPECT_TRUE(first.video.equal(before)) << "reusing changed what was kept";

  // Elsewhere it is the embedding and the time that are new.
  const auto later = model.forward(video * 0.9, audio * 0.9, model.embed_times({400.0}, true)[0],
                                   positions, {{nullptr, 0, nullptr, &first}}, nullptr);
  EXPECT_GT(difference(later[0].video, truth[0].video), 1e-4);
}

// 8 bits keep 3.7 % of each product (see big_linear_test), which residual streams and norms
// carry on, and bfloat16 about 0.5 %: of the same file, the two lie that far apart.
TEST_F(FusionTest, InEightBitsIsCloseAndNoMore) {
  const auto distance = [&](const char* file, const Arithmetic& arithmetic) {
    const Placement placement{arithmetic.dtype, c10::kCPU, {}, arithmetic.float8_matrices};
    const auto source = open_tensors(tiny(file));
    const FusionTransformer exact(Weights(source, {}), {2, 0.19676});
    const FusionTransformer other(Weights(source, placement), {2, 0.19676});
    at::Generator seeded = make_generator(c10::kCPU, 11);
    const at::Tensor text = at::randn({5, 32}, seeded, at::TensorOptions());
    const at::Tensor latents = at::randn({48, 3, 4, 6}, seeded, at::TensorOptions());
    const at::Tensor sound = at::randn({10, 20}, seeded, at::TensorOptions());
    const auto velocity = [&](const FusionTransformer& m, at::ScalarType dtype) {
      const auto context = m.encode_context(text.to(dtype), text.to(dtype));
      return m.forward(latents, sound, m.embed_times({500.0}, true)[0], m.positions(3, 4, 6, 10),
                       {{&context, 0}}, nullptr)[0];
    };
    const auto truth = velocity(exact, at::kFloat), got = velocity(other, arithmetic.dtype);
    EXPECT_EQ(got.video.scalar_type(), at::kBFloat16);
    return std::max(relative_error(got.video, truth.video), relative_error(got.audio, truth.audio));
  };
  for (const char* file : {"Ovi/model.safetensors", "Ovi/model_fp8_e4m3fn.safetensors"}) {
    const double bf16 = distance(file, at::kBFloat16), fp8 = distance(file, {at::kBFloat16, true});
    EXPECT_LT(fp8, 0.1) << file;
    EXPECT_GT(fp8, 1.5 * bf16) << file << ": nothing was computed in 8 bits";
    EXPECT_LT(bf16, 0.02) << file;
    RecordProperty(std::string(file) + " bf16", std::to_string(bf16));
    RecordProperty(std::string(file) + " fp8", std::to_string(fp8));
  }
}

TEST(FusionErrors, NameHeadsThatDoNotFit) {
  const Weights weights(open_tensors(tiny("Ovi/model.safetensors")), {});
  for (const int64_t heads : {0, 5, 48}) {  // 48: one value a head, which cannot be turned
    try {
      const FusionTransformer model(weights, {heads, 0.19676});
      FAIL() << heads;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      EXPECT_NE(std::string(error.what()).find("num_heads"), std::string::npos);
    }
  }
}

// Without ovi.json a checkpoint has heads of 128: 48 wide is then no head at all.
TEST(FusionErrors, SayWhatASmallModelNeeds) {
  const Weights weights(open_tensors(tiny("Ovi/model.safetensors")), {});
  EXPECT_THROW(FusionTransformer(weights, FusionOptions{}), Error);
}

class Umt5Test : public testing::Test {
 protected:
  Umt5Encoder encoder{
      Weights(open_tensors(tiny("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth")), {})};
};

TEST_F(Umt5Test, EncodesOneRowAToken) {
  EXPECT_EQ(encoder.encode({1}, nullptr).sizes(), at::IntArrayRef({1, encoder.dim()}));
  const at::Tensor row = encoder.encode({17, 42, 17, 1}, nullptr);
  EXPECT_EQ(row.size(0), 4);
  EXPECT_GT(difference(row[0], row[2]), 1e-4) << "position changes nothing";
}

TEST_F(Umt5Test, RefusesIdsBeyondItsVocabulary) {
  EXPECT_THROW(encoder.encode({576, 1}, nullptr), Error);
  EXPECT_THROW(encoder.encode({}, nullptr), Error);
}

TEST_F(Umt5Test, PollsTheCancelFlag) {
  Cancel cancel;
  cancel.trigger();
  EXPECT_THROW(encoder.encode({1}, &cancel), Error);
}

// The published table for 32 buckets and distance 128, by hand.
TEST(RelativePositions, FollowTheBuckets) {
  const at::Tensor buckets = relative_position_buckets(300, 32, 128);
  const auto bucket = [&](int64_t query, int64_t key) {
    return buckets[query][key].item<int64_t>();
  };
  for (int64_t d = 0; d < 8; ++d) {
    EXPECT_EQ(bucket(20, 20 - d), d);
    if (d > 0) {
      EXPECT_EQ(bucket(20, 20 + d), 16 + d);
    }
  }
  EXPECT_EQ(bucket(50, 42), 8);  // 8 .. 11 share a bucket
  EXPECT_EQ(bucket(50, 39), 8);
  EXPECT_EQ(bucket(50, 38), 9);
  EXPECT_EQ(bucket(200, 200 - 127), 15);
  EXPECT_EQ(bucket(299, 0), 15);  // all that is farther
  EXPECT_EQ(bucket(0, 299), 31);
}

}  // namespace
}  // namespace ovi
