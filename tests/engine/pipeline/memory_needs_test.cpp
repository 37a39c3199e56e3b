// What a stage's activations are said to take against what they take, part by part.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/memory_needs.h"

#include <ATen/ops/randn.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "../../parity/hashed_weights.h"
#include "../fake_device/fake_device.h"
#include "../memory_source.h"
#include "../parallel/thread_group.h"
#include "models/audio_vae.h"
#include "models/bigvgan.h"
#include "models/fusion_transformer.h"
#include "models/umt5_encoder.h"
#include "models/video_vae.h"
#include "parallel/columns.h"
#include "parallel/split.h"
#include "pipeline/clip_format.h"
#include "pipeline/denoise.h"
#include "pipeline/first_frame.h"
#include "pipeline/loaded_model.h"
#include "pipeline/noise.h"
#include "pipeline/preview_painter.h"
#include "runtime/error.h"
#include "weights/synthetic.h"

namespace ovi {
namespace {

namespace fake = test::fake;

class Measured : public testing::Test {
 protected:
  void SetUp() override { fake::reset(); }

  /// Never less than what is used, and at most `over` times as much: a plan that asks for
  /// too much is passed over without need.
  template <typename Run>
  void expect(int64_t said, double over, const Run& run) {
    at::getDeviceAllocator(device_.type())->resetPeakStats(0);
    const size_t before = fake::memory().used;
    run();
    const double used = static_cast<double>(fake::memory().peak - before);
    EXPECT_LE(used, said);
    EXPECT_GE(over * used, said) << "used " << used;
  }
  Weights weights(const std::shared_ptr<const TensorSource>& source, at::ScalarType dtype) {
    return Weights(source, {dtype, device_, {}});
  }

  const c10::InferenceMode inference_;
  const c10::Device device_ = fake::device();
  SyntheticSize size_;
};

class MemoryNeeds : public Measured, public testing::WithParamInterface<at::ScalarType> {};
class DenoisingNeeds : public Measured, public testing::WithParamInterface<Arithmetic> {};

TEST_P(MemoryNeeds, OfTheTextEncoder) {
  size_.text = {2, 256, 640, 8, 1000, 32};
  const auto source = synthetic_text_encoder(size_);
  const Umt5Encoder encoder(weights(source, GetParam()));
  const std::vector<int64_t> longest(512, 7);
  expect(activations::text_encoder(*source, GetParam()), 1.5, [&] {
    encoder.encode_all({longest, longest, longest}, nullptr);
  });
}

TEST_P(DenoisingNeeds, OfTheFullestBlock) {
  // Where a block is fullest in its attention, and where in its hidden layer; of all tokens, and
  // of a quarter of them at once.
  for (const auto& [ffn, portions] : {std::pair<int64_t, Portions>{512, {}},
                                      {1280, {}},
                                      {1280, {256, 1, false}},
                                      {5120, {256, 1, false}}}) {
    size_.fusion = {2, 256, ffn, 64, 64, 48, 20};
    const auto source = synthetic_fusion(size_);
    const Placement placement{GetParam().dtype, device_, {}, GetParam().float8_matrices, {}};
    const FusionTransformer model(Weights(source, placement), {2, 0.19676}, portions);
    const ClipExtent clip{8, 16, 32, 40};
    Request request;
    request.steps = ffn > 512 ? 10 : 3;
    request.acceleration = ffn > 512 ? Acceleration::kFast : Acceleration::kNone;
    expect(activations::fusion(*source, GetParam(), clip, 0, portions), 1.5, [&] {
      const at::Tensor text = at::randn({512, 64}).to(device_, GetParam().dtype);
      auto contexts = model.encode_contexts({{text, text}, {text, text}});
      Conditioning conditioning{contexts[0], contexts[1], {}};
      const Latents noise = make_noise({48, clip.video_latents, clip.height, clip.width},
                                       {clip.audio_latents, 20}, 1, GetParam().dtype, device_);
      denoise(model, conditioning, noise, request,
              step_policy(request, MagnitudeTable::of_the_backbone()), {}, nullptr, {});
    });
  }
}

TEST_P(MemoryNeeds, OfAPreview) {
  if (GetParam() != at::kFloat) return;  // as previews always are
  const ClipExtent clip{1, 12, 20, 0};
  for (const bool super : {false, true}) {
    const auto source = std::make_shared<test::MemorySource>(parity::hashed_preview_decoder(super));
    const auto painter =
        painter_of(std::make_shared<const TinyVideoDecoder>(weights(source, GetParam())));
    const at::Tensor latents = at::randn({48, clip.height, clip.width}).to(device_);
    expect(activations::preview_decoder(*source, GetParam(), clip), 1.5, [&] { painter(latents); });
  }
}

TEST_P(MemoryNeeds, OfTheFirstFrame) {
  size_.video_vae = {32, 16, 48};
  const auto source = synthetic_video_vae(size_);
  const VideoVaeEncoder encoder(weights(source, GetParam()));
  const ClipExtent clip{1, 12, 20, 0};
  expect(activations::video_encoder(*source, GetParam(), clip), 1.5, [&] {
    const at::Tensor picture = at::randn({200, 400, 3}).to(at::kByte);
    encoder.encode(prepare_first_frame(picture.to(device_), {192, 320}), nullptr);
  });
}

TEST_P(MemoryNeeds, OfFrames) {
  size_.video_vae = {16, 16, 48};
  const auto source = synthetic_video_vae(size_);
  const VideoVaeDecoder decoder(weights(source, GetParam()));
  const ClipExtent clip{3, 6, 10, 0};
  for (const PixelFormat format : {PixelFormat::kRgb, PixelFormat::kI420}) {
    for (const int64_t strips : {1, 2, 3}) {
      expect(activations::video_decoder(*source, GetParam(), clip, {0, strips, true}), 1.5, [&] {
        const at::Tensor latents = at::randn({1, 48, 3, 6, 10}).to(device_);
        auto stream = decoder.start(latents, nullptr, {}, strips);
        while (!stream.done()) pack_frames(stream.next(), format);
      });
    }
  }
}

TEST_P(MemoryNeeds, OfSound) {
  if (GetParam() != at::kFloat) return;  // sound always is
  size_.audio_vae.dim = 48;
  size_.vocoder.channels = 192;
  const auto vae = synthetic_audio_vae(size_), vocoder = synthetic_vocoder(size_);
  const AudioVaeDecoder decoder(weights(vae, at::kFloat));
  const BigVgan bigvgan(weights(vocoder, at::kFloat));
  expect(activations::sound(*vae, *vocoder, {0, 0, 0, 40}), 1.5, [&] {
    bigvgan(decoder.decode(at::randn({1, 20, 40}).to(device_), nullptr), nullptr);
  });
}

// What ranks that are threads use together on one device is at most what they are said to use.
// In float32 alone: a CPU is slow in the others, and their sums differ in the size of a number.
TEST_F(Measured, DenoisingOfRanks) {
  for (const int64_t ranks : {2, 3}) {
    size_.fusion = {2, 256, 512, 64, 64, 48, 20};
    const auto source = synthetic_fusion(size_);
    const FusionTransformer model(weights(source, at::kFloat), {2, 0.19676});
    const ClipExtent clip{8, 16, 32, 40, ranks};
    Request request;
    request.steps = 3;
    const int64_t tokens = FusionTransformer::video_tokens(8, 16, 32);
    expect(ranks * activations::fusion(*source, at::kFloat, clip), 3, [&] {
      test::on_ranks(ranks, [&](const std::shared_ptr<parallel::Group>& group) {
        const parallel::Split split(group, tokens, clip.audio_latents, /*guided=*/true);
        const StepPolicy policy = step_policy(request, MagnitudeTable::of_the_backbone());
        const OwnPasses own = own_passes(policy, split);
        const at::Tensor text = at::randn({512, 64}).to(device_, at::kFloat);
        Conditioning conditioning;
        conditioning.negative.emplace();
        if (own.positive) conditioning.positive = model.encode_context(text, text);
        if (own.negative) conditioning.negative = model.encode_context(text, text);
        const Latents noise = make_noise({48, clip.video_latents, clip.height, clip.width},
                                         {clip.audio_latents, 20}, 1, at::kFloat, device_);
        denoise(model, conditioning, noise, request, policy, {}, nullptr, nullptr, nullptr, &split);
      });
    });
  }
}

TEST_F(Measured, ColumnsOfFramesOfRanks) {
  size_.video_vae = {16, 16, 48};
  const auto source = synthetic_video_vae(size_);
  const VideoVaeDecoder decoder(weights(source, at::kFloat));
  constexpr int64_t kRanks = 2;
  const ClipExtent clip{3, 6, 16, 0, kRanks};
  expect(kRanks * activations::video_decoder(*source, at::kFloat, clip), 3, [&] {
    const at::Tensor latents = at::randn({1, 48, 3, 6, 16}).to(device_);
    test::on_ranks(kRanks, [&](const std::shared_ptr<parallel::Group>& group) {
      auto stream = decoder.start(latents, nullptr, parallel::Columns(group, clip.width));
      while (!stream.done()) {
        const at::Tensor frames = stream.next();
        if (frames.defined()) pack_frames(frames, PixelFormat::kRgb);
      }
    });
  });
}

// The table of docs/speed.md: a row a precision; resident, offload and stream of a variant each.
TEST(PublishedModel, NeedsWhatThePageSays) {
  fake::reset();
  std::ifstream file(std::string(std::getenv("OVI_TEST_DATA")) + "/../../docs/speed.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const SyntheticSize size;  // the published one
  const ModelSources sources = {synthetic_fusion(size), synthetic_text_encoder(size),
                                synthetic_video_vae(size), synthetic_audio_vae(size),
                                synthetic_vocoder(size)};
  // What a plan needs is said when it does not fit.
  const auto needed = [&](Variant variant, bool float8, Memory memory) {
    ModelFolder folder;
    folder.spec = published_spec(variant);
    LoadedModel model(folder, fake::device(), {at::kBFloat16, float8}, memory);
    model.set_sources(sources);
    Reading quietly;
    fake::set_memory(64 << 20);  // room for trials, not for a model
    try {
      model.prepare(clip_extent(folder.spec, frame_size_from_image(1, 1, folder.spec.area)),
                    quietly);
    } catch (const Error& error) {
      const std::string text = error.what();
      const size_t at = text.find(" needs ");
      if (at != std::string::npos) {
        // The fake device has no libraries that a GPU has.
        return std::stod(text.substr(at + 7)) / 1024 +
               static_cast<double>(activations::workspaces(c10::Device(c10::kCUDA, 0))) / (1 << 30);
      }
      ADD_FAILURE() << text;
    }
    return 0.0;
  };
  EXPECT_LE(needed(Variant::k720x720_5s, false, Memory::kStream), 4.0);
  EXPECT_LE(needed(Variant::k960x960_5s, false, Memory::kStream), 6.0);
  for (const bool float8 : {false, true}) {
    std::string row =
        float8 ? "| fp8: resident, offload, stream |" : "| bf16: resident, offload, stream |";
    for (const Variant variant :
         {Variant::k720x720_5s, Variant::k960x960_5s, Variant::k960x960_10s}) {
      for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
        char text[16];
        std::snprintf(text, sizeof text, " %.1f%s", needed(variant, float8, memory),
                      memory == Memory::kStream ? " |" : ",");
        row += text;
      }
    }
    EXPECT_NE(page.find(row), std::string::npos) << "docs/speed.md lacks this row:\n" << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, MemoryNeeds, testing::Values(at::kFloat, at::kBFloat16));
INSTANTIATE_TEST_SUITE_P(Precisions, DenoisingNeeds,
                         testing::Values(Arithmetic(at::kFloat), Arithmetic(at::kBFloat16),
                                         Arithmetic(at::kBFloat16, /*float8=*/true)),
                         [](const auto& info) { return precision_name(info.param); });

}  // namespace
}  // namespace ovi
