// Pictures of the steps: what the fitted map shows, when they come, and that they change nothing.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/preview.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../tiny_model.h"
#include "runtime/error.h"

namespace ovi {
namespace {

using test::small_request;
using test::tiny_model;

// A small trained model, whose decoder undoes what its encoder does; that of the tiny one, which
// is random, does not.
std::string demo_path() { return test::tiny_path() + "/../demo"; }

// Of pixels in -1..1.
double psnr(const at::Tensor& a, const at::Tensor& b) {
  return 10 * std::log10(4.0 / (a - b).square().mean().item<double>());
}

at::Tensor downscaled(const at::Tensor& image) {
  return at::avg_pool2d(image, {kPreviewFactor, kPreviewFactor});
}

// uint8 [h, w, 3] -> [1, 3, h, w] in -1..1
at::Tensor pixels(const at::Tensor& rgb) {
  return (rgb.to(at::kFloat) / 127.5 - 1).permute({2, 0, 1}).unsqueeze(0);
}

// A picture that no fit saw, 128x128, with so many spots of colour a side.
at::Tensor unseen(int64_t spots) {
  const at::Tensor colours =
      at::rand({1, 3, spots, spots}, make_generator(c10::kCPU, 77), at::TensorOptions()) * 2 - 1;
  return at::upsample_bicubic2d(colours, {128, 128}, false).clamp(-1, 1);
}

struct Vae {
  explicit Vae(const std::string& path)
      : model(find_model(path, Variant::kAuto), c10::kCPU, at::kFloat) {
    Reading quietly;
    model.prepare({2, 8, 8, 8}, quietly);
    encoder = model.video_encoder(quietly);
    decoder = model.video_decoder(quietly);
  }
  PreviewFit fit() const { return PreviewFit::of_test_pictures(*encoder, c10::kCPU, nullptr); }

  c10::InferenceMode inference;
  LoadedModel model;
  std::shared_ptr<const VideoVaeEncoder> encoder;
  std::shared_ptr<const VideoVaeDecoder> decoder;
};

PreviewMap random_map() {
  constexpr int64_t kOutputs = 3 * kPreviewPixels * kPreviewPixels;
  const at::Tensor weight =
      at::randn({48, kOutputs}, make_generator(c10::kCPU, 5), at::TensorOptions());
  return PreviewMap(weight / std::sqrt(48.0), at::full({kOutputs}, 0.0), c10::kCPU);
}

TEST(PreviewMap, ShowsWhatTheDecoderWillShow) {
  const Vae vae(demo_path());
  const PreviewMap map = vae.fit().solve(c10::kCPU), random = random_map();
  for (const int64_t spots : {4, 8}) {
    const at::Tensor latents = vae.encoder->encode(unseen(spots));
    auto stream = vae.decoder->start(at::cat({latents, latents}, 2));
    for (int64_t i = 0; i < 2; ++i) {
      // [1, 3, 1 or 4, H, W]; a preview stands for the frames of its latent.
      const at::Tensor frames = stream.next();
      const at::Tensor truth = downscaled(frames[0].transpose(0, 1)).mean(0, true);
      const at::Tensor flat = latents.squeeze(0).squeeze(1);
      const double fitted = psnr(pixels(map(flat)), truth);
      const double grey = psnr(truth * 0, truth);
      EXPECT_GT(fitted, grey + 12) << spots << " spots, latent " << i;
      EXPECT_GT(fitted, psnr(pixels(random(flat)), truth) + 15) << spots << " spots, latent " << i;
    }
  }
}

// Whatever the weights, what the encoder lets through is found again.
TEST(PreviewMap, FitsAnEncoderOfRandomWeightsToo) {
  const Vae vae(test::tiny_path());
  const at::Tensor image = unseen(4), truth = downscaled(image);
  const at::Tensor latents = vae.encoder->encode(image).squeeze(0).squeeze(1);
  PreviewFit fit = vae.fit();
  const double grey = psnr(truth * 0, truth);
  const double alone = psnr(pixels(fit.solve(c10::kCPU)(latents)), truth);
  EXPECT_GT(alone, grey + 1);
  EXPECT_GT(alone, psnr(pixels(random_map()(latents)), truth) + 3);
  // The clip's own picture counts, and a fit that was copied before does not know it.
  const PreviewFit before = fit;
  fit.add(latents, image);
  EXPECT_GT(psnr(pixels(fit.solve(c10::kCPU)(latents)), truth), alone + 1);
  EXPECT_EQ(psnr(pixels(before.solve(c10::kCPU)(latents)), truth), alone);
}

TEST(PreviewMap, PutsPixelsWhereTheyBelong) {
  constexpr int64_t k = kPreviewPixels;
  // Channel 0 is red of the first pixel, channel 1 green of the one right of it, channel 2 blue
  // of the one below.
  at::Tensor weight = at::full({48, 3 * k * k}, 0.0);
  weight[0][0] = 1;
  weight[1][k * k + 1] = 1;
  weight[2][2 * k * k + k] = 1;
  const PreviewMap map(weight, at::full({3 * k * k}, -1.0), c10::kCPU);
  at::Tensor latents = at::full({48, 2, 3}, 0.0);
  for (int64_t channel = 0; channel < 3; ++channel) latents[channel][1][2] = 2;
  const at::Tensor rgb = map(latents);
  ASSERT_EQ(rgb.sizes(), (at::IntArrayRef{2 * k, 3 * k, 3}));
  EXPECT_EQ(rgb.scalar_type(), at::kByte);
  EXPECT_TRUE(rgb.is_contiguous());
  EXPECT_EQ(rgb[k][2 * k][0].item<int>(), 255);
  EXPECT_EQ(rgb[k][2 * k + 1][1].item<int>(), 255);
  EXPECT_EQ(rgb[k + 1][2 * k][2].item<int>(), 255);
  EXPECT_EQ(rgb.to(at::kLong).sum().item<int64_t>(), 3 * 255);  // all else is black
}

TEST(PreviewMap, IsGreyWhereLatentsAreNoNumbers) {
  const PreviewMap map = random_map();
  const at::Tensor rgb = map(at::full({48, 1, 2}, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_TRUE(rgb.eq(128).all().item<bool>());
}

TEST(PreviewFrame, IsOneOfItsLatents) {
  EXPECT_EQ(preview_frame(0), 0);
  EXPECT_EQ(preview_frame(1), 2);    // of 1..4
  EXPECT_EQ(preview_frame(15), 58);  // of 57..60
}

class PreviewSink : public test::RecordingSink {
 public:
  struct Picture {
    int64_t step, steps, frame;
    at::Tensor rgb;
    size_t reports;  // that came before it
  };
  std::vector<Picture> pictures;
  Cancel* cancel = nullptr;

  void preview(int64_t step, int64_t steps, int64_t frame, const at::Tensor& rgb) override {
    pictures.push_back({step, steps, frame, rgb, reports.size()});
    if (cancel) cancel->trigger();
  }
};

TEST(Preview, ComesEveryNStepsAndLeavesTheClipAsItIs) {
  Request request = small_request();
  request.steps = 7;
  PreviewSink without, with;
  const auto model = tiny_model();
  const Generator generator(model);
  generator.generate(request, without, nullptr);
  EXPECT_TRUE(without.pictures.empty());
  EXPECT_FALSE(model->preview_fit);  // and nothing was fitted for nobody

  request.preview = 3;
  generator.generate(request, with, nullptr);
  EXPECT_TRUE(model->preview_fit);
  ASSERT_EQ(with.pictures.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const PreviewSink::Picture& picture = with.pictures[i];
    EXPECT_EQ(picture.step, 3 * static_cast<int64_t>(i + 1));
    EXPECT_EQ(picture.steps, 7);
    EXPECT_EQ(picture.frame, 2);
    EXPECT_EQ(picture.rgb.sizes(), (at::IntArrayRef{8, 8, 3}));  // of 64x64
    // Before its own step is reported, after the one before.
    const auto& last = with.reports[picture.reports - 1];
    EXPECT_EQ(last.stage, Stage::kGenerate);
    EXPECT_EQ(last.done, picture.step - 1);
  }
  EXPECT_TRUE(at::cat(with.frames).equal(at::cat(without.frames)));
  EXPECT_TRUE(with.samples.equal(without.samples));
}

TEST(Preview, ComesFromTextAloneToo) {
  Request request = small_request();
  request.image.reset();
  request.image_height = request.image_width = 0;
  request.preview = 1;
  PreviewSink sink;
  const auto model = tiny_model();
  const Generator generator(model);
  generator.generate(request, sink, nullptr);
  EXPECT_EQ(sink.pictures.size(), 2u);
  request.preview = 100;  // more than there are steps
  generator.generate(request, sink, nullptr);
  EXPECT_EQ(sink.pictures.size(), 2u);
}

TEST(Preview, ShowsTheFramesThatAreDecodedLater) {
  ModelFolder folder = find_model(demo_path(), Variant::kAuto);
  folder.spec.area = 128 * 128;
  folder.spec.video_latents = 4;
  folder.spec.audio_latents = 8;
  const auto model = std::make_shared<LoadedModel>(folder, c10::kCPU, at::kFloat);
  Request request = small_request();
  request.steps = 10;
  request.preview = 1;
  request.image = ((unseen(8)[0].permute({1, 2, 0}) + 1) * 127.5).round().to(at::kByte);
  request.image_height = request.image_width = 128;
  PreviewSink sink;
  Instruments instruments;
  std::vector<at::Tensor> videos;
  instruments.observe = [&](const char* name, const at::Tensor& tensor) {
    if (std::string(name) == "video") videos.push_back(tensor);
  };
  Generator(model).generate(request, sink, nullptr, instruments);
  ASSERT_EQ(sink.pictures.size(), 10u);
  ASSERT_EQ(videos.size(), 4u);
  EXPECT_EQ(sink.pictures[0].frame, 6);  // latent 2 of 4: frames 5..8
  const at::Tensor truth = downscaled(videos[2][0].transpose(0, 1)).mean(0, true);
  EXPECT_GT(psnr(pixels(sink.pictures[9].rgb), truth), psnr(truth * 0, truth) + 10);
}

TEST(Preview, CanCancelTheClip) {
  Request request = small_request();
  request.steps = 20;
  request.preview = 1;
  Cancel cancel;
  PreviewSink sink;
  sink.cancel = &cancel;
  try {
    Generator(tiny_model()).generate(request, sink, &cancel);
    FAIL() << "went on after the cancel";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
  EXPECT_EQ(sink.pictures.size(), 1u);
}

}  // namespace
}  // namespace ovi
