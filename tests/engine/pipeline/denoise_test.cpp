// The step loop with and without acceleration, on the tiny model.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/denoise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "../tiny_model.h"
#include "pipeline/model_registry.h"
#include "runtime/error.h"
#include "sampling/guidance.h"
#include "sampling/magnitude_file.h"

namespace ovi {
namespace {

using test::tiny_model;

class DenoiseTest : public testing::Test {
 protected:
  DenoiseTest() : model(tiny_model()), fusion(test::load(*model)) {
    auto generator = at::detail::createCPUGenerator(11);
    const auto random = [&](at::IntArrayRef shape) { return at::randn(shape, generator); };
    const at::Tensor text = random({5, 32});
    conditioning.positive = fusion->encode_context(text, text);
    conditioning.negative = fusion->encode_context(random({3, 32}), random({4, 32}));
    conditioning.image_latents = random({48, 1, 4, 4});
    noise = make_noise({48, 2, 4, 4}, {8, 20}, 3, at::kFloat, c10::kCPU);
    request.steps = 12;
    request.slg_layer = 1;
  }

  Latents run(const StepPolicy& policy, MagnitudeMeter* meter = nullptr) const {
    return denoise(*fusion, conditioning, noise, request, policy, nullptr, nullptr, meter);
  }
  Latents run(Acceleration acceleration) {
    request.acceleration = acceleration;
    return run(step_policy(request, model->magnitudes()));
  }

  // The loop as the paper has it: every step, both passes, nothing kept.
  Latents plain() const {
    const auto video = make_scheduler(request.solver, request.steps, request.shift);
    const auto audio = make_scheduler(request.solver, request.steps, request.shift);
    const auto positions = fusion->positions(2, 4, 4, 8);
    Latents x{noise.video.clone(), noise.audio.clone()};
    const auto times = fusion->embed_times(video->timesteps(), true);
    const auto clean = [&] { x.video.narrow(1, 0, 1).copy_(conditioning.image_latents); };
    for (int64_t i = 0; i < request.steps; ++i) {
      clean();
      const auto v = fusion->forward(
          x.video, x.audio, times[i], positions,
          {{&conditioning.positive, 0}, {&*conditioning.negative, request.slg_layer}}, nullptr);
      x.video =
          video->step(i, guide(v[0].video, v[1].video, request.video_guidance_scale), x.video);
      x.audio =
          audio->step(i, guide(v[0].audio, v[1].audio, request.audio_guidance_scale), x.audio);
    }
    clean();
    return x;
  }

  c10::InferenceMode inference;
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<const FusionTransformer> fusion;
  Conditioning conditioning;
  Latents noise;
  Request request;
};

double decibels(const at::Tensor& truth, const at::Tensor& other) {
  return 20 * std::log10(truth.norm().item<double>() / (truth - other).norm().item<double>());
}

TEST_F(DenoiseTest, NoneIsThePlainLoopBitByBit) {
  for (const Solver solver : {Solver::kUnipc, Solver::kDpmpp, Solver::kEuler}) {
    request.solver = solver;
    const Latents truth = plain(), made = run(Acceleration::kNone);
    EXPECT_TRUE(made.video.equal(truth.video));
    EXPECT_TRUE(made.audio.equal(truth.audio));
  }
}

TEST_F(DenoiseTest, MeasuringChangesNoBit) {
  MagnitudeMeter meter;
  const StepPolicy policy = step_policy(request, model->magnitudes());
  const Latents truth = plain(), made = run(policy, &meter);
  EXPECT_TRUE(made.video.equal(truth.video));
  EXPECT_TRUE(made.audio.equal(truth.audio));
  const MagnitudeRatios measured = meter.ratios();
  EXPECT_EQ(measured.timesteps, make_scheduler(request.solver, 12, request.shift)->timesteps());
  for (const auto& ratios : measured.ratios) EXPECT_EQ(ratios.size(), 11u);
  EXPECT_NE(measured.ratios[0], measured.ratios[1]);
  EXPECT_NE(measured.ratios[0], measured.ratios[2]);
  EXPECT_NO_THROW(MagnitudeTable(measured, "this run"));
}

// Reuse that follows its source at once is the plain loop but for what a step changes: the
// nearer the steps, the nearer the clip.
TEST_F(DenoiseTest, AccelerationComesNearAndNearerWithMoreSteps) {
  const auto distance = [&](Acceleration acceleration, int64_t steps) {
    request.steps = steps;
    request.acceleration = acceleration;
    const StepPolicy policy = step_policy(request, model->magnitudes());
    EXPECT_GT(policy.counts().reused, 0) << steps;
    EXPECT_GT(policy.counts().guidance_reused, 0) << steps;
    const Latents truth = plain(), made = run(policy);
    EXPECT_FALSE(made.video.equal(truth.video));
    EXPECT_FALSE(made.audio.equal(truth.audio));
    EXPECT_TRUE(made.video.narrow(1, 0, 1).equal(conditioning.image_latents));
    return std::min(decibels(truth.video, made.video), decibels(truth.audio, made.audio));
  };
  // A random network turns sharply from step to step, so this is far from what a trained one
  // gives; but the error must shrink as steps come nearer to each other.
  request.solver = Solver::kEuler;
  const double few = distance(Acceleration::kBalanced, 30);
  const double many = distance(Acceleration::kBalanced, 240);
  EXPECT_GT(few, 8.0);
  EXPECT_GT(many, few + 6.0);
}

// A wrong wire (audio's residual for the video's, a stale one, guidance of the wrong sign)
// must be seen: a hand-made loop computes what each kind of step should.
TEST_F(DenoiseTest, EachKindOfStepComputesWhatItSays) {
  request.solver = Solver::kEuler;
  request.steps = 6;
  StepRules rules;
  rules.first_full = 0.0;
  rules.guidance_from = 0.5;
  rules.guidance_interval = 3;
  rules.most_reuses = 1;
  rules.video_error = rules.audio_error = 1e9;
  const auto scheduler = make_scheduler(request.solver, request.steps, request.shift);
  const StepPolicy policy(rules, scheduler->timesteps(), true, model->magnitudes());
  // F r F | R G F
  ASSERT_EQ(policy.counts().full, 3);
  ASSERT_EQ(policy.counts().reused, 2);
  ASSERT_EQ(policy.counts().guidance_reused, 1);

  using Pass = FusionTransformer::Pass;
  const auto positions = fusion->positions(2, 4, 4, 8);
  FusionTransformer::Residual first, second;
  Latents x{noise.video.clone(), noise.audio.clone()};
  at::Tensor video_difference, audio_difference;
  const auto times = fusion->embed_times(scheduler->timesteps(), true);
  const auto clean = [&] { x.video.narrow(1, 0, 1).copy_(conditioning.image_latents); };
  const auto velocity = [&](int64_t step, const std::vector<Pass>& passes) {
    clean();
    return fusion->forward(x.video, x.audio, times[step], positions, passes, nullptr);
  };
  const auto move = [&](int64_t step, const at::Tensor& video, const at::Tensor& audio) {
    const double delta = scheduler->sigmas()[step + 1] - scheduler->sigmas()[step];
    x.video = x.video + video * delta;
    x.audio = x.audio + audio * delta;
  };
  for (const int64_t step : {0, 1, 2, 3, 4, 5}) {
    const bool blocks = step != 1 && step != 3, negative = step < 3 || step == 5;
    Pass one = blocks ? Pass{&conditioning.positive, 0, &first} : Pass{nullptr, 0, nullptr, &first};
    Pass two =
        blocks ? Pass{&*conditioning.negative, 1, &second} : Pass{nullptr, 1, nullptr, &second};
    const auto v = velocity(step, negative ? std::vector{one, two} : std::vector{one});
    if (negative) {
      video_difference = v[0].video - v[1].video;
      audio_difference = v[0].audio - v[1].audio;
    }
    move(step, v[0].video + video_difference * 3.0, v[0].audio + audio_difference * 2.0);
  }
  clean();
  const Latents made = run(policy);
  EXPECT_LT((made.video - x.video).abs().max().item<double>(), 1e-4);
  EXPECT_LT((made.audio - x.audio).abs().max().item<double>(), 1e-4);
}

// The last clean latents are what the clip is made of, with every solver.
TEST_F(DenoiseTest, PeeksAtCleanLatentsAndChangesNoBit) {
  for (const Solver solver : {Solver::kUnipc, Solver::kDpmpp, Solver::kEuler}) {
    request.solver = solver;
    const StepPolicy policy = step_policy(request, model->magnitudes());
    std::vector<int64_t> heard;
    at::Tensor last;
    const auto see = [&](int64_t done, const at::Tensor& clean) {
      heard.push_back(done);
      last = clean;
    };
    const Peek peek{4, 1, see};
    const Latents made = denoise(*fusion, conditioning, noise, request, policy, nullptr, nullptr,
                                 nullptr, &peek);
    EXPECT_EQ(heard, (std::vector<int64_t>{4, 8, 12}));
    EXPECT_LT((last - made.video.select(1, 1)).abs().max().item<double>(), 1e-5);
    EXPECT_TRUE(made.video.equal(run(policy).video));
  }
}

TEST_F(DenoiseTest, CancelsInAStepWithoutBlocks) {
  request.steps = 30;
  request.acceleration = Acceleration::kBalanced;
  const StepPolicy policy = step_policy(request, model->magnitudes());
  int64_t reused = 0;
  while (policy.at(reused).blocks) ++reused;
  Cancel cancel;
  int64_t heard = 0;
  const auto on_step = [&](int64_t done) {
    heard = done;
    if (done == reused) cancel.trigger();
  };
  try {
    denoise(*fusion, conditioning, noise, request, policy, on_step, &cancel);
    FAIL() << "went on after the cancel";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
  EXPECT_EQ(heard, reused);
}

TEST_F(DenoiseTest, WithoutGuidanceOnlyResidualsAreReused) {
  request.video_guidance_scale = request.audio_guidance_scale = 1.0;
  request.steps = 30;
  request.acceleration = Acceleration::kBalanced;
  conditioning.negative.reset();
  const StepPolicy policy = step_policy(request, model->magnitudes());
  EXPECT_EQ(policy.counts().guidance_reused, 0);
  EXPECT_GT(policy.counts().reused, 0);
  const Latents made = run(policy);
  EXPECT_TRUE(made.video.isfinite().all().item<bool>());
}

// Of a few steps without guidance each is one pass.
TEST_F(DenoiseTest, FewStepsWithoutGuidanceTakeOnePassEach) {
  request.steps = 6;
  request.shift = 6;
  const auto passes = [&](double scale) {
    request.video_guidance_scale = request.audio_guidance_scale = scale;
    const StepPolicy policy = step_policy(request, model->magnitudes());
    if (scale == 1) conditioning.negative.reset();
    EXPECT_EQ(policy.counts().full, 6);
    MagnitudeMeter meter;
    run(policy, &meter);
    const MagnitudeRatios measured = meter.ratios();
    EXPECT_EQ(measured.timesteps.size(), 6u);
    // A curve that was never measured is the positive pass's.
    const auto of = [&](MagnitudeCurve curve) {
      return measured.ratios[static_cast<size_t>(curve)];
    };
    return of(MagnitudeCurve::kVideoPositive) == of(MagnitudeCurve::kVideoNegative) ? 1 : 2;
  };
  EXPECT_EQ(passes(4), 2);
  EXPECT_EQ(passes(1), 1);
}

TEST(Acceleration, TheModelsOwnMagnitudesDecide) {
  namespace fs = std::filesystem;
  const fs::path path =
      fs::temp_directory_path() / ("ovi-denoise-" + std::to_string(::getpid()) + ".json");
  Request request;
  request.acceleration = Acceleration::kBalanced;
  MagnitudeRatios wild;  // each step is twice the one before
  wild.timesteps = make_scheduler(Solver::kUnipc, 50, 5.0)->timesteps();
  for (auto& ratios : wild.ratios) ratios.assign(49, 2.0);
  write_magnitudes(path, "720x720_5s", wild, "a test");

  ModelFolder folder = find_model(test::tiny_path(), Variant::kAuto);
  folder.spec.name = "720x720_5s";
  EXPECT_GT(
      step_policy(request, LoadedModel(folder, c10::kCPU, at::kFloat).magnitudes()).counts().reused,
      0);
  folder.acceleration = path;
  const LoadedModel measured(folder, c10::kCPU, at::kFloat);
  const StepPolicy policy = step_policy(request, measured.magnitudes());
  EXPECT_EQ(policy.counts().reused, 0) << policy.summary(50);
  folder.spec.name = "960x960_5s";  // of which the file says nothing
  EXPECT_GT(
      step_policy(request, LoadedModel(folder, c10::kCPU, at::kFloat).magnitudes()).counts().reused,
      0);

  // A model measured anew is another one for whoever opens it next.
  folder.spec.name = "720x720_5s";
  const auto before = shared_model(folder, c10::kCPU, at::kFloat);
  EXPECT_EQ(before, shared_model(folder, c10::kCPU, at::kFloat));
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  EXPECT_NE(before, shared_model(folder, c10::kCPU, at::kFloat));
  fs::remove(path);
}

TEST(Acceleration, ProgressCountsTheStepsThatAreRun) {
  const Generator generator(tiny_model());
  Request request = test::small_request();
  request.steps = 20;
  request.acceleration = Acceleration::kFast;
  test::RecordingSink sink;
  const GenerationStats stats = generator.generate(request, sink, nullptr);
  EXPECT_EQ(stats.steps, 12);
  int64_t next = 0;
  for (const auto& report : sink.reports) {
    if (report.stage != Stage::kGenerate) continue;
    EXPECT_EQ(report.done, next++);
    EXPECT_EQ(report.total, 12);
  }
  EXPECT_EQ(next, 13);
  EXPECT_EQ(sink.frame_count(), 5);
}

}  // namespace
}  // namespace ovi
