// The whole path on the tiny model: what callers rely on beyond the numbers.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/generator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randint.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <utility>

#include "../tiny_model.h"
#include "pipeline/model_registry.h"
#include "runtime/error.h"

namespace ovi {
namespace {

using test::RecordingSink;
using test::small_request;
using test::tiny_model;

struct Made {
  at::Tensor video, audio;
  GenerationStats stats;
};

Made make(const Generator& generator, const Request& request) {
  RecordingSink sink;
  Made made;
  made.stats = generator.generate(request, sink, nullptr);
  made.video = at::cat(sink.frames);
  made.audio = sink.samples;
  return made;
}

bool same(const Made& a, const Made& b) { return a.video.equal(b.video) && a.audio.equal(b.audio); }

TEST(Generator, PlansWithoutLoading) {
  const auto model = tiny_model();
  const ClipPlan plan = Generator(model).plan(small_request(), nullptr);
  EXPECT_FALSE(model->loaded());
  EXPECT_EQ(plan.size.height % 32, 0);
  EXPECT_EQ(plan.size.width % 32, 0);
  EXPECT_EQ(plan.frames, 5);
  EXPECT_EQ(plan.samples, 4096);
  Request text = small_request();
  text.image_height = text.image_width = 0;
  EXPECT_EQ(Generator(model).plan(text, nullptr).size.width, 96);  // 992:512 in 4096 pixels
  EXPECT_EQ(Generator(model).plan(text, nullptr).size.height, 32);
}

TEST(Generator, RefusesPicturesOfNoShape) {
  const Generator generator(tiny_model());
  Request request = small_request();
  for (const auto& [height, width] : {std::pair{2, 4000}, {4000, 2}, {10, 400}}) {
    request.image_height = height;
    request.image_width = width;
    try {
      generator.plan(request, nullptr);
      FAIL() << width << "x" << height;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kSettings);
      const std::string text = error.what();
      EXPECT_NE(text.find(std::to_string(width) + "x" + std::to_string(height)), std::string::npos)
          << text;
      EXPECT_NE(text.find("Crop it"), std::string::npos) << text;
    }
  }
  request.image = at::Tensor();
  request.image_height = request.image_width = 0;
  request.height = 32;
  request.width = 8000;
  EXPECT_THROW(generator.plan(request, nullptr), Error);
}

TEST(Generator, MakesClipsOfOneRowOrColumnOfTokens) {
  auto model = tiny_model();
  for (const auto& [height, width] : {std::pair{32, 128}, {128, 32}}) {
    Request request = small_request();
    request.image = at::randint(0, 256, {height, width, 3}, at::TensorOptions().dtype(at::kByte));
    request.image_height = height;
    request.image_width = width;
    EXPECT_EQ(Generator(model).plan(request, nullptr).size.height, height);
    EXPECT_EQ(make(Generator(model), request).video.size(1), 3 * height * width);
  }
}

TEST(Generator, SaysWhenThereIsNoBlockToSkip) {
  RecordingSink sink;
  Request request = small_request();
  request.slg_layer = 99;
  Generator(tiny_model()).generate(request, sink, nullptr);
  EXPECT_EQ(sink.notes.back().substr(0, 26), "slg-layer 99 skips nothing");
  // And before anything is read, of who asks what there is to be said.
  const auto said = [](int64_t layer) {
    Request asked = small_request();
    asked.slg_layer = layer;
    std::vector<Warning> warnings;
    Generator(tiny_model()).plan(asked, &warnings);
    int found = 0;
    for (const Warning& warning : warnings) {
      found += warning.code == WarningCode::kSettings &&
               warning.message.find("skips nothing") != std::string::npos;
    }
    return found;
  };
  EXPECT_EQ(said(99), 1);
  EXPECT_EQ(said(1), 0);
  EXPECT_EQ(said(0), 0);
}

// What 8 bits cost on the whole way is what 8 bits may cost: never a broken picture.
TEST(Generator, MakesTheSameClipInEightBits) {
  const Request request = small_request();
  const Made exact = make(Generator(tiny_model(at::kBFloat16)), request);  // from the same noise
  const auto model = tiny_model({at::kBFloat16, /*float8=*/true});
  EXPECT_EQ(precision_name(model->arithmetic()), "fp8");
  const Made made = make(Generator(model), request);
  EXPECT_FALSE(same(made, exact));
  const double squared =
      (made.video.to(at::kDouble) - exact.video.to(at::kDouble)).square().mean().item<double>();
  // Over 100 pictures the worst was 11.5 and 0.23; unlike noise would be at 1.4 of the sound.
  EXPECT_LT(squared, 25.0) << "frames are more than 5 of 255 off";
  EXPECT_LT((made.audio - exact.audio).norm().item<double>(),
            0.4 * exact.audio.norm().item<double>());
}

TEST(Generator, GivesThePlannedClipAndReportsEachStageOnce) {
  const Generator generator(tiny_model());
  const Request request = small_request();
  const ClipPlan plan = generator.plan(request, nullptr);
  RecordingSink sink;
  const GenerationStats stats = generator.generate(request, sink, nullptr);
  EXPECT_EQ(sink.frame_count(), plan.frames);
  ASSERT_EQ(sink.frames.size(), 2u);  // a chunk a latent: frames leave while later ones are made
  EXPECT_EQ(sink.frames[0].size(0), 1);
  EXPECT_EQ(sink.frames[0].size(1), 3 * plan.size.width * plan.size.height);
  EXPECT_EQ(sink.samples.numel(), plan.samples);
  EXPECT_EQ(sink.samples.scalar_type(), at::kFloat);

  int open = -1, begun = 0;
  for (const auto& report : sink.reports) {
    if (report.done == 0) {
      EXPECT_EQ(open, -1) << "a stage began before the one before it ended";
      EXPECT_EQ(static_cast<int>(report.stage), begun++);
      open = static_cast<int>(report.stage);
    }
    EXPECT_EQ(static_cast<int>(report.stage), open) << "a stage that had ended went on";
    if (report.done == report.total) open = -1;
  }
  EXPECT_EQ(begun, 4);
  EXPECT_EQ(open, -1);

  EXPECT_EQ(stats.seed, 7);
  EXPECT_EQ(stats.steps, 2);
  EXPECT_GT(stats.first_frame, 0);
  EXPECT_LE(stats.first_frame, stats.total);
  EXPECT_GT(stats.peak_host_bytes, 0u);
  EXPECT_EQ(stats.peak_device_bytes, 0u);
}

TEST(Generator, NamesAGpuThatLibTorchHasNoCodeFor) {
  RecordingSink sink;
  sink.on_report = [](const RecordingSink::Report&) {
    TORCH_CHECK(false, "CUDA error: no kernel image is available for execution on the device");
  };
  try {
    Generator(tiny_model()).generate(small_request(), sink, nullptr);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kLibraryInit);
    EXPECT_NE(std::string(error.what()).find("device=cpu"), std::string::npos);
  }
}

TEST(Generator, SeedsDecide) {
  const Generator generator(tiny_model());
  Request request = small_request();
  const Made first = make(generator, request);
  EXPECT_TRUE(same(first, make(generator, request)));
  request.seed = 8;
  const Made other = make(generator, request);
  EXPECT_FALSE(first.video.equal(other.video));
  EXPECT_FALSE(first.audio.equal(other.audio));
  request.seed = -1;
  const Made random = make(generator, request);
  EXPECT_GE(random.stats.seed, 0);
  request.seed = random.stats.seed;
  EXPECT_TRUE(same(random, make(generator, request)));
}

TEST(Generator, LoadsOnceAndRemembersPrompts) {
  const auto model = tiny_model();
  const Generator generator(model);
  RecordingSink first, second;
  generator.generate(small_request(), first, nullptr);
  ASSERT_TRUE(model->loaded());
  const auto load_reports = [](const RecordingSink& sink) {
    return std::count_if(sink.reports.begin(), sink.reports.end(),
                         [](const auto& report) { return report.stage == Stage::kLoad; });
  };
  generator.generate(small_request(), second, nullptr);
  EXPECT_GT(load_reports(first), 4);  // one a MiB, never two of the same
  EXPECT_LT(load_reports(first), 30);
  EXPECT_EQ(load_reports(second), 2);  // begun and ended
}

TEST(Generator, PromptsNegativesAndScalesMatter) {
  const Generator generator(tiny_model());
  const Made plain = make(generator, small_request());
  const auto differs = [&](void (*change)(Request&)) {
    Request request = small_request();
    request.image = Request(small_request()).image;
    change(request);
    return !same(plain, make(generator, request));
  };
  EXPECT_TRUE(differs([](Request& r) { r.prompt = "A dog. <AUDCAP>barking<ENDAUDCAP>"; }));
  EXPECT_TRUE(differs([](Request& r) { r.video_negative_prompt = "rain"; }));
  EXPECT_TRUE(differs([](Request& r) { r.audio_negative_prompt = "rain"; }));
  EXPECT_TRUE(differs([](Request& r) { r.video_guidance_scale = 2.0; }));
  EXPECT_TRUE(differs([](Request& r) { r.slg_layer = 0; }));
  EXPECT_TRUE(differs([](Request& r) { r.solver = Solver::kEuler; }));
}

TEST(Generator, ScaleOneNeedsNoNegativePass) {
  Request request = small_request();
  request.video_guidance_scale = request.audio_guidance_scale = 1.0;
  EXPECT_FALSE(needs_negative_pass(request));
  const Generator generator(tiny_model());
  const Made unguided = make(generator, request);
  request.video_guidance_scale = request.audio_guidance_scale = 1.0 + 1e-12;
  EXPECT_TRUE(needs_negative_pass(request));
  const Made guided = make(generator, request);
  const at::Tensor difference = unguided.video.to(at::kInt) - guided.video.to(at::kInt);
  EXPECT_LE(difference.abs().max().item<int>(), 1);
}

class CancelTest : public testing::TestWithParam<Stage> {};

TEST_P(CancelTest, StopsInEveryStageAndTheNextRunWorks) {
  const auto model = tiny_model();
  const Generator generator(model);
  Cancel cancel;
  RecordingSink sink;
  sink.on_report = [&](const RecordingSink::Report& report) {
    if (report.stage == GetParam() && report.done > 0) cancel.trigger();
  };
  if (GetParam() == Stage::kDecode) {
    sink.on_report = [&](const RecordingSink::Report& report) {
      if (report.stage == Stage::kDecode) cancel.trigger();
    };
  }
  try {
    generator.generate(small_request(), sink, &cancel);
    FAIL() << "went on after the cancel";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
  EXPECT_EQ(sink.reports.back().stage, GetParam());
  cancel.reset();
  RecordingSink again;
  generator.generate(small_request(), again, &cancel);
  EXPECT_EQ(again.frame_count(), 5);
}

INSTANTIATE_TEST_SUITE_P(Stages, CancelTest,
                         testing::Values(Stage::kLoad, Stage::kEncode, Stage::kGenerate,
                                         Stage::kDecode));

TEST(Generator, WaitsItsTurnAndCanBeCancelledWaiting) {
  const auto model = tiny_model();
  const Generator generator(model);
  Cancel cancel;
  cancel.trigger();
  const Turn::Holder somebody_else(model->turn, nullptr);
  std::thread waiting([&] {
    RecordingSink sink;
    EXPECT_THROW(generator.generate(small_request(), sink, &cancel), Error);
    EXPECT_TRUE(sink.reports.empty());
  });
  waiting.join();
}

TEST(Generator, TwoAtOnceGiveWhatEachGivesAlone) {
  const auto model = tiny_model();
  const Generator one(model), two(model);
  Request first = small_request(), second = small_request();
  second.seed = 99;
  second.prompt = "A dog. <AUDCAP>barking<ENDAUDCAP>";
  const Made first_alone = make(one, first), second_alone = make(two, second);
  Made first_together, second_together;
  std::thread a([&] { first_together = make(one, first); });
  std::thread b([&] { second_together = make(two, second); });
  a.join();
  b.join();
  EXPECT_TRUE(same(first_alone, first_together));
  EXPECT_TRUE(same(second_alone, second_together));
}

TEST(Generator, Bfloat16StaysNearFloat32) {
  const Request request = small_request();
  Instruments instruments;
  instruments.noise = make_noise({48, 2, 4, 4}, {8, 20}, 7, at::kFloat, c10::kCPU);
  const auto latents = [&](at::ScalarType dtype) {
    Latents seen;
    Instruments with = instruments;
    with.observe = [&](const char* name, const at::Tensor& tensor) {
      if (std::string(name) == "video_latents") seen.video = tensor.clone();
      if (std::string(name) == "audio_latents") seen.audio = tensor.clone();
    };
    const Generator generator(tiny_model(dtype));
    RecordingSink sink;
    Request sized = request;
    sized.image_height = sized.image_width = 48;
    sized.image = request.image.narrow(1, 0, 48).contiguous();
    generator.generate(sized, sink, nullptr, with);
    EXPECT_EQ(sink.frame_count(), 5);
    return seen;
  };
  const Latents exact = latents(at::kFloat), rounded = latents(at::kBFloat16);
  const auto snr = [](const at::Tensor& a, const at::Tensor& b) {
    return 20 * std::log10(a.norm().item<double>() / (a - b).norm().item<double>());
  };
  EXPECT_GT(snr(exact.video, rounded.video), 25.0);  // dB
  EXPECT_GT(snr(exact.audio, rounded.audio), 25.0);
}

TEST(ModelRegistry, SharesWhatIsHeldAndForgetsWhatIsNot) {
  const ModelFolder folder = find_model(test::tiny_path(), Variant::kAuto);
  auto one = shared_model(folder, c10::kCPU, at::kFloat);
  const auto two = shared_model(folder, c10::kCPU, at::kFloat);
  EXPECT_EQ(one, two);
  EXPECT_NE(one, shared_model(folder, c10::kCPU, at::kBFloat16));
  const std::weak_ptr<LoadedModel> gone = shared_model(folder, c10::kCPU, at::kBFloat16);
  EXPECT_TRUE(gone.expired());
}

}  // namespace
}  // namespace ovi
