// The whole path on an accelerator: what runs there gives the CPU's clip, in order, and
// without waiting where it should not.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../../parity/hashed_weights.h"
#include "../counted_source.h"
#include "../damaged_model.h"
#include "../fake_device/fake_device.h"
#include "../layout_files.h"
#include "../memory_source.h"
#include "../tiny_model.h"
#include "pipeline/generator.h"
#include "runtime/error.h"
#include "runtime/pacer.h"
#include "weights/layouts/open_component.h"
#include "weights/synthetic.h"

namespace ovi {
namespace {

using test::RecordingSink;
using test::small_request;
using test::tiny_model;
namespace fake = test::fake;

class OnAccelerator : public testing::Test {
 protected:
  void SetUp() override { fake::reset(); }
  void TearDown() override {
    for (const std::string& violation : fake::violations()) ADD_FAILURE() << violation;
  }
};

TEST_F(OnAccelerator, GivesTheClipOfTheCpu) {
  const Request request = small_request();
  RecordingSink there, here;
  const GenerationStats stats =
      Generator(tiny_model(at::kFloat, fake::device())).generate(request, there, nullptr);
  Generator(tiny_model()).generate(request, here, nullptr);
  ASSERT_EQ(there.frames.size(), here.frames.size());
  const at::Tensor frames = at::cat(there.frames);
  EXPECT_TRUE(frames.is_cpu());
  const at::Tensor apart = (frames.to(at::kInt) - at::cat(here.frames).to(at::kInt)).abs();
  EXPECT_LE(apart.max().item<int>(), 1);  // of 255
  EXPECT_LT((there.samples - here.samples).abs().max().item<float>(), 1e-4);
  EXPECT_GT(stats.peak_device_bytes, 0u);
  EXPECT_EQ(stats.peak_device_bytes, fake::memory().peak);
}

TEST_F(OnAccelerator, GivesNearlyThatClipInFewerBits) {
  const auto decibels = [](const at::Tensor& error, double size) {
    return 20 * std::log10(size / (error.norm().item<double>() / std::sqrt(error.numel())));
  };
  const Request request = small_request();
  const Latents noise = make_noise({48, 2, 4, 4}, {8, 20}, 7, at::kFloat, c10::kCPU);
  const auto make = [&](const std::shared_ptr<LoadedModel>& model, RecordingSink& sink) {
    Instruments instruments;
    instruments.noise = {noise.video.to(model->device()), noise.audio.to(model->device())};
    Generator(model).generate(request, sink, nullptr, instruments);
    return at::cat(sink.frames).to(at::kDouble);
  };
  RecordingSink exact;
  const at::Tensor truth = make(tiny_model(), exact), sound = exact.samples.to(at::kDouble);
  const double loudness = sound.square().mean().sqrt().item<double>();
  struct Way {
    Arithmetic arithmetic;
    double frames, sound;  // decibels, of random networks
  };
  for (const Way& way : {Way{at::kBFloat16, 46, 20}, Way{{at::kBFloat16, true}, 33, 8}}) {
    RecordingSink there;
    const at::Tensor frames = make(tiny_model(way.arithmetic, fake::device()), there);
    EXPECT_GT(decibels(frames - truth, 255), way.frames);
    EXPECT_GT(decibels(there.samples.to(at::kDouble) - sound, loudness), way.sound);
  }
}

TEST_F(OnAccelerator, ReadsTheVideoDecoderOnceWhereItsPrecisionIsTried) {
  for (const std::string& path : {test::tiny_path(), test::tiny_path() + "/../demo"}) {
    const auto others =
        test::read_otherwise_than_once(find_model(path, Variant::kAuto), fake::device());
    EXPECT_TRUE(others.empty()) << path << ", " << others.size() << ", as " << others.front();
  }
}

// Weights with scales take every way to the device that others take.
TEST_F(OnAccelerator, StoredValuesAndScalesComeByEveryPlan) {
  const test::Tensors plain = test::tensors_of(test::tiny_path() + "/Ovi/model.safetensors");
  const auto source = [](const test::Tensors& tensors) {
    return arrange({std::make_shared<test::MemorySource>(tensors)}, Component::kFusion);
  };
  const auto make = [&](const std::shared_ptr<const TensorSource>& fusion,
                        const Arithmetic& arithmetic, Memory memory) {
    ModelFolder folder = tiny_model()->folder();
    ModelSources sources = ModelSources::open(folder);
    sources.fusion = fusion;
    const auto model =
        std::make_shared<LoadedModel>(folder, fake::device(), arithmetic, memory);
    model->set_sources(sources, /*made_up=*/false);
    Request request = small_request();
    request.image = at::ones({48, 64, 3}, at::TensorOptions().dtype(at::kByte)) * 90;
    RecordingSink sink;
    Generator(model).generate(request, sink, nullptr);
    return at::cat(sink.frames);
  };
  const Arithmetic bits16 = at::kBFloat16, bits8{at::kBFloat16, true};
  for (const test::Quantised& stored :
       {test::scaled_float8(plain), test::quanto_int8(plain)}) {
    const at::Tensor meant = make(source(stored.meant), bits16, Memory::kResident);
    const at::Tensor direct = make(source(stored.stored), bits8, Memory::kResident);
    EXPECT_FALSE(at::equal(meant, direct));
    for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
      EXPECT_TRUE(at::equal(make(source(stored.stored), bits16, memory), meant));
      EXPECT_TRUE(at::equal(make(source(stored.stored), bits8, memory), direct));
    }
  }
}

TEST_F(OnAccelerator, AStepNeverWaitsForTheDevice) {
  const auto model = tiny_model(at::kFloat, fake::device());
  const std::shared_ptr<const FusionTransformer> loaded = test::load(*model);
  const FusionTransformer& fusion = *loaded;
  const c10::InferenceMode inference;
  const auto text = [&](int64_t length) {
    return at::randn({length, fusion.text_dim()}).to(fake::device());
  };
  Conditioning conditioning;
  conditioning.positive = fusion.encode_context(text(5), text(5));
  conditioning.negative = fusion.encode_context(text(9), text(3));
  conditioning.image_latents = at::randn({48, 1, 4, 4}).to(fake::device());
  const Latents noise = make_noise({48, 2, 4, 4}, {8, 20}, 7, at::kFloat, fake::device());
  struct Way {
    Solver solver;
    Acceleration acceleration;
    int64_t steps;
  };
  for (const Way& way :
       {Way{Solver::kUnipc, Acceleration::kNone, 4}, Way{Solver::kDpmpp, Acceleration::kNone, 4},
        Way{Solver::kEuler, Acceleration::kNone, 4},
        Way{Solver::kUnipc, Acceleration::kFast, 24}}) {
    Request request = small_request();
    request.steps = way.steps;
    request.solver = way.solver;
    request.acceleration = way.acceleration;
    const StepPolicy policy = step_policy(request, model->magnitudes());
    std::vector<fake::Waits> waits;
    std::vector<int64_t> launches;
    const auto on_step = [&](int64_t) {
      waits.push_back(fake::waits());
      launches.push_back(fake::launches());
    };
    const Cancel cancel;
    denoise(fusion, conditioning, noise, request, policy, on_step, &cancel);
    ASSERT_EQ(static_cast<int64_t>(waits.size()), policy.steps());
    EXPECT_EQ(policy.counts().reused > 0, way.acceleration == Acceleration::kFast);
    EXPECT_EQ(fake::waits().drains, waits[0].drains);  // nor after the last step
    for (size_t i = 1; i < waits.size(); ++i) {
      EXPECT_GT(launches[i], launches[i - 1] + 20);
      EXPECT_EQ(waits[i].drains, waits[0].drains);
      EXPECT_EQ(waits[i].all() - waits[i].event, waits[0].all() - waits[0].event);
    }
  }
}

// Pictures of the steps leave without a wait: those of the CPU, each of them, in order.
void expect_previews_without_waits(const std::shared_ptr<LoadedModel>& device,
                                   const std::shared_ptr<LoadedModel>& cpu) {
  struct Sink : RecordingSink {
    std::vector<fake::Waits> waits;  // at the begin of the steps and after each
    std::vector<at::Tensor> pictures;
    std::vector<int64_t> steps;
    void progress(Stage stage, int64_t done, int64_t total, double left) override {
      if (stage == Stage::kGenerate) waits.push_back(fake::waits());
      RecordingSink::progress(stage, done, total, left);
    }
    void preview(int64_t step, int64_t, int64_t, const at::Tensor& rgb) override {
      EXPECT_TRUE(rgb.is_cpu());
      steps.push_back(step);
      pictures.push_back(rgb.clone());
    }
  };
  Request request = small_request();
  request.steps = 6;
  request.preview = 2;
  Sink there, here;
  Generator(device).generate(request, there, nullptr);
  Generator(cpu).generate(request, here, nullptr);
  EXPECT_EQ(there.steps, (std::vector<int64_t>{2, 4, 6}));
  EXPECT_EQ(there.steps, here.steps);
  for (size_t i = 0; i < there.pictures.size(); ++i) {
    const at::Tensor apart = there.pictures[i].to(at::kInt) - here.pictures[i].to(at::kInt);
    EXPECT_LE(apart.abs().max().item<int>(), 1);  // of 255
  }
  ASSERT_EQ(there.waits.size(), 7u);
  // A picture that is there is taken by its event, which then takes no time.
  for (size_t i = 2; i < there.waits.size(); ++i) {
    EXPECT_EQ(there.waits[i].drains, there.waits[1].drains);
    EXPECT_EQ(there.waits[i].all() - there.waits[i].event,
              there.waits[1].all() - there.waits[1].event);
  }
}

TEST_F(OnAccelerator, APreviewWaitsForNothing) {
  expect_previews_without_waits(tiny_model(at::kFloat, fake::device()), tiny_model());
}

TEST_F(OnAccelerator, APreviewByADecoderWaitsForNothing) {
  for (const bool super : {false, true}) {
    const auto with_decoder = [&](const std::shared_ptr<LoadedModel>& model) {
      ModelSources sources = ModelSources::open(model->folder());
      sources.preview_decoder.source =
          std::make_shared<test::MemorySource>(parity::hashed_preview_decoder(super));
      model->set_sources(sources, /*made_up=*/false);
      return model;
    };
    const auto there = with_decoder(tiny_model(at::kFloat, fake::device()));
    expect_previews_without_waits(there, with_decoder(tiny_model()));
    EXPECT_FALSE(there->preview_fit);
  }
}

TEST_F(OnAccelerator, TheHostStaysAFewBlocksAhead) {
  SyntheticSize size;
  size.fusion.layers = 8;
  size.fusion.dim = size.fusion.ffn = 128;
  size.fusion.text_dim = 32;
  const c10::InferenceMode inference;
  const FusionTransformer fusion(Weights(synthetic_fusion(size), {at::kFloat, fake::device(), {}}),
                                 {2, 1.0});
  const auto there = [](at::IntArrayRef shape) { return at::randn(shape).to(fake::device()); };
  const auto text = fusion.encode_context(there({5, 32}), there({5, 32}));
  const auto time = fusion.embed_times({500.0}, true)[0];
  const auto positions = fusion.positions(2, 4, 4, 8);
  const at::Tensor video = there({48, 2, 4, 4}), audio = there({8, 20});
  const fake::Waits before = fake::waits();
  fusion.forward(video, audio, time, positions, {{&text, 0}, {&text, 3}}, nullptr);
  const fake::Waits after = fake::waits();
  const int64_t evaluations = 2 * 8 - 1;  // the second pass leaves one block out
  EXPECT_EQ(after.event - before.event, evaluations - Pacer::kAhead);
  EXPECT_EQ(after.all() - before.all(), evaluations - Pacer::kAhead);
  EXPECT_EQ(after.drains, before.drains);
}

TEST_F(OnAccelerator, FramesLeaveWhileTheNextOnesAreDecoded) {
  const auto model = tiny_model(at::kFloat, fake::device());
  struct Sink : RecordingSink {
    std::vector<fake::Waits> waits;
    std::vector<int64_t> launches;
    void audio(const at::Tensor& samples) override {
      EXPECT_FALSE(samples.isnan().any().item<bool>());
      RecordingSink::audio(samples);
    }
    void video(int64_t first, const at::Tensor& frames) override {
      EXPECT_TRUE(frames.is_pinned());
      RecordingSink::video(first, frames);
      waits.push_back(fake::waits());
      launches.push_back(fake::launches());
    }
  } sink;
  fake::Waits decoded;
  std::vector<int64_t> launches;
  Instruments instruments;
  instruments.observe = [&](const std::string& name, const at::Tensor&) {
    if (name != "video") return;
    if (launches.empty()) decoded = fake::waits();
    launches.push_back(fake::launches());
  };
  Generator(model).generate(small_request(), sink, nullptr, instruments);
  ASSERT_EQ(sink.waits.size(), 2u);
  ASSERT_EQ(launches.size(), 2u);
  // The first chunk came when all of the second one was on its way.
  EXPECT_GT(sink.launches[0], launches[1]);
  const fake::Waits &first = sink.waits[0], &second = sink.waits[1];
  EXPECT_EQ(first.all() - decoded.all(), 1);
  EXPECT_EQ(first.drains - decoded.drains, 0);
  EXPECT_EQ(second.all() - first.all(), 1);
  // Nothing of the clip stays on the device, and on the host it is there once.
  EXPECT_EQ(fake::memory().pinned,
            sink.frames[0].nbytes() + sink.frames[1].nbytes() + sink.samples.nbytes());
}

TEST_F(OnAccelerator, ACancelledClipLeavesNothingBehind) {
  const auto model = tiny_model(at::kFloat, fake::device());
  test::load(*model);
  for (const Stage stage : {Stage::kGenerate, Stage::kDecode}) {
    Cancel cancel;
    {
      RecordingSink sink;
      sink.on_report = [&](const RecordingSink::Report& report) {
        if (report.stage == stage) cancel.trigger();
      };
      EXPECT_THROW(Generator(model).generate(small_request(), sink, &cancel), Error);
    }
    cancel.reset();
    RecordingSink again;
    Generator(model).generate(small_request(), again, &cancel);
    EXPECT_EQ(again.frame_count(), 5);
  }
  EXPECT_EQ(fake::memory().pinned, 0u);
}

// The files are read anew for each part of these plans, and by the table of tokens for all.
TEST_F(OnAccelerator, AFileCutShortInTheMiddleIsNamedAndMayComeBack) {
  struct Way {
    Memory memory;
    const char* file;
  };
  for (const Way& way :
       {Way{Memory::kOffload, test::kFusionFile}, Way{Memory::kOffload, test::kVocoderFile},
        Way{Memory::kStream, test::kVideoFile}, Way{Memory::kResident, test::kTextFile}}) {
    const test::DamagedModel files;
    const auto model = files.load(at::kFloat, fake::device(), way.memory);
    Request request = small_request();
    const auto make = [&](RecordingSink& sink) {
      Generator(model).generate(request, sink, nullptr);
      return at::cat(sink.frames);
    };
    RecordingSink whole;
    const at::Tensor expected = make(whole);
    RecordingSink sink;
    bool cut = false;
    sink.on_report = [&](const RecordingSink::Report& report) {
      if (report.stage == Stage::kEncode && !std::exchange(cut, true)) files.cut(way.file, 5000);
    };
    const std::string prompt = request.prompt;
    request.prompt += " And a dog.";  // so that its text is encoded
    try {
      make(sink);
      ADD_FAILURE() << way.file << " was not missed";
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kRead)) << error.what();
      EXPECT_NE(std::string(error.what()).find(files.path(way.file)), std::string::npos)
          << error.what();
    }
    files.put_back(way.file);
    request.prompt = prompt;
    RecordingSink again;
    EXPECT_TRUE(make(again).equal(expected)) << way.file;
  }
}

// On every way that weights take to a device, also where no result would show it.
TEST_F(OnAccelerator, AWeightThatIsNoNumberIsNamed) {
  struct Spoilt {
    const char *file, *tensor, *stage;
  };
  const Spoilt all[] = {
      {test::kFusionFile, "video_model.blocks.1.ffn.0.weight", "the denoising"},
      {test::kFusionFile, "video_model.blocks.1.self_attn.q.weight", "the denoising"},
      {test::kFusionFile, "audio_model.blocks.0.self_attn.norm_k.weight", "the denoising"},
      {test::kFusionFile, "video_model.head.head.bias", "the denoising"},
      {test::kTextFile, "blocks.0.attn.q.weight", "the text encoder"},
      {test::kVocoderFile, "generator.resblocks.0.activations.0.act.alpha", "the vocoder"},
      {test::kVideoFile, "decoder.head.2.weight", "the video VAE's decoder"},
  };
  for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
    for (const bool eight : {false, true}) {
      const Arithmetic arithmetic = eight ? Arithmetic{at::kBFloat16, true} : at::kFloat;
      for (const Spoilt& spoilt : all) {
        SCOPED_TRACE(std::string(spoilt.tensor) + ", memory " + memory_name(memory));
        const test::DamagedModel files;
        const std::string tensor = files.spoil(spoilt.file, spoilt.tensor, eight);
        RecordingSink sink;
        try {
          Generator(files.load(arithmetic, fake::device(), memory))
              .generate(small_request(), sink, nullptr);
          ADD_FAILURE() << "nothing failed";
        } catch (const Error& error) {
          const std::string message = error.what();
          EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kFormat));
          EXPECT_NE(message.find("'" + tensor + "'"), message.npos) << message;
          EXPECT_NE(message.find(spoilt.stage), message.npos) << message;
        }
        EXPECT_TRUE(sink.frames.empty());
      }
    }
  }
}

}  // namespace
}  // namespace ovi
