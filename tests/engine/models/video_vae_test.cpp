// SPDX-License-Identifier: Apache-2.0
#include "models/video_vae.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "case_data.h"
#include "whole_clip_decoder.h"

namespace ovi {
namespace {

using testing::CaseData;
using testing::max_difference;
using test::MemorySource;
using testing::psnr;
using testing::seeded_normal;

constexpr char kFile[] = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";

at::Tensor drain(VideoVaeDecoder::Stream stream) {
  std::vector<at::Tensor> chunks;
  while (!stream.done()) chunks.push_back(stream.next());
  return at::cat(chunks, 2);
}

ErrorKind kind_of(const std::function<void()>& call, std::string* message = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::kFailed;
}

Weights changed_weights(const std::function<void(std::map<std::string, at::Tensor>&)>& change) {
  auto tensors =
      MemorySource::copy(*open_tensors(testing::data_path(std::string("models/tiny/") + kFile)));
  change(tensors);
  return Weights(std::make_shared<MemorySource>(std::move(tensors)), {});
}

class VideoVaeDecode : public ::testing::TestWithParam<int> {};

TEST_P(VideoVaeDecode, MatchesReference) {
  const CaseData data("video-vae-decode-" + std::to_string(GetParam()));
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  EXPECT_TRUE(data.matches("video", drain(decoder.start(data.input("latents")))));
}

INSTANTIATE_TEST_SUITE_P(Latents, VideoVaeDecode, ::testing::Values(1, 2, 4));

// However narrow a strip is, and where there are more strips than columns.
TEST(VideoVaeDecode, StripsGiveTheSameFrames) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  const at::Tensor latents = seeded_normal({1, 48, 3, 3, 9}, 5);
  const at::Tensor whole = drain(decoder.start(latents));
  for (const int64_t strips : {2, 3, 4, 9, 20}) {
    EXPECT_TRUE(at::equal(drain(decoder.start(latents, nullptr, {}, strips)), whole)) << strips;
  }
}

TEST(VideoVaeEncoder, MatchesReference) {
  const CaseData data("video-vae-encode");
  const VideoVaeEncoder encoder(testing::tiny_weights(kFile));
  const at::Tensor image = data.input("image");
  EXPECT_TRUE(data.matches("latents", encoder.encode(image)));
  const at::Tensor other_form = image.dim() == 5 ? image.squeeze(2) : image.unsqueeze(2);
  EXPECT_TRUE(data.matches("latents", encoder.encode(other_form)));
}

// A decoder of random weights: channels of the middle, then after each stage.
std::map<std::string, at::Tensor> random_decoder(const std::array<int64_t, 5>& channels) {
  std::map<std::string, at::Tensor> tensors;
  uint64_t seed = 100;
  const auto conv = [&](const std::string& name, std::vector<int64_t> shape) {
    int64_t fan_in = 1;
    for (size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    tensors[name + ".weight"] = seeded_normal(shape, ++seed) / std::sqrt(double(fan_in));
    tensors[name + ".bias"] = seeded_normal({shape[0]}, ++seed) * 0.1;
  };
  const auto norm = [&](const std::string& name, int64_t width) {
    tensors[name + ".gamma"] = seeded_normal({width, 1, 1, 1}, ++seed) * 0.1 + 1;
  };
  const auto residual = [&](const std::string& name, int64_t in, int64_t out) {
    norm(name + ".residual.0", in);
    conv(name + ".residual.2", {out, in, 3, 3, 3});
    norm(name + ".residual.3", out);
    conv(name + ".residual.6", {out, out, 3, 3, 3});
    if (in != out) conv(name + ".shortcut", {out, in, 1, 1, 1});
  };
  const int64_t middle = channels[0];
  conv("conv2", {48, 48, 1, 1, 1});
  conv("decoder.conv1", {middle, 48, 3, 3, 3});
  residual("decoder.middle.0", middle, middle);
  residual("decoder.middle.2", middle, middle);
  tensors["decoder.middle.1.norm.gamma"] = seeded_normal({middle, 1, 1}, ++seed);
  conv("decoder.middle.1.to_qkv", {3 * middle, middle, 1, 1});
  conv("decoder.middle.1.proj", {middle, middle, 1, 1});
  for (size_t stage = 0; stage < 4; ++stage) {
    const std::string name = "decoder.upsamples." + std::to_string(stage) + ".upsamples.";
    const int64_t out = channels[stage + 1];
    residual(name + "0", channels[stage], out);
    residual(name + "1", out, out);
    if (stage < 3) conv(name + "2.resample.1", {out, out, 3, 3});
    if (stage < 2) conv(name + "2.time_conv", {2 * out, out, 3, 1, 1});
  }
  norm("decoder.head.0", channels[4]);
  conv("decoder.head.2", {12, channels[4], 3, 3, 3});
  return tensors;
}

class WholeClip : public ::testing::TestWithParam<std::array<int64_t, 5>> {};

TEST_P(WholeClip, StreamEqualsItDecodedThePlainWay) {
  const auto source = std::make_shared<MemorySource>(random_decoder(GetParam()));
  const VideoVaeDecoder decoder(Weights(source, {}));
  const at::Tensor latents = seeded_normal({1, 48, 4, 3, 5}, 7);
  const at::Tensor expected = testing::decode_whole_clip(*source, latents);
  const at::Tensor got = drain(decoder.start(latents));
  ASSERT_EQ(got.sizes(), expected.sizes());
  EXPECT_LE(max_difference(got, expected), 1e-4);
}

// Each way in which a shortcut's channels may stand for frames, rows and columns;
// the first is the published model's.
using Channels = std::array<int64_t, 5>;
INSTANTIATE_TEST_SUITE_P(Channels, WholeClip,
                         ::testing::Values(Channels{16, 16, 16, 8, 4}, Channels{16, 8, 8, 8, 8},
                                           Channels{32, 8, 8, 4, 4}, Channels{32, 4, 4, 4, 4},
                                           Channels{16, 16, 16, 4, 4}));

TEST(VideoVaeDecoder, RefusesShortcutsThatDoNotDivide) {
  const Weights weights(std::make_shared<MemorySource>(random_decoder({16, 6, 16, 8, 4})), {});
  EXPECT_EQ(kind_of([&] { VideoVaeDecoder decoder(weights); }), ErrorKind::kFormat);
}

TEST(VideoVaeDecoder, GivesClampedFramesOfEachLatent) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  auto stream = decoder.start(seeded_normal({1, 48, 3, 2, 3}, 1) * 30);
  for (const int64_t frames : {1, 4, 4}) {
    ASSERT_FALSE(stream.done());
    const at::Tensor chunk = stream.next();
    EXPECT_EQ(chunk.sizes(), at::IntArrayRef({1, 3, frames, 32, 48}));
    EXPECT_EQ(chunk.scalar_type(), at::kFloat);
    EXPECT_LE(chunk.abs().max().item<float>(), 1.0f);
  }
  EXPECT_TRUE(stream.done());
  EXPECT_EQ(kind_of([&] { stream.next(); }), ErrorKind::kFailed);
}

TEST(VideoVaeDecoder, StreamsDoNotDisturbEachOther) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  const at::Tensor a = seeded_normal({1, 48, 4, 3, 2}, 2), b = seeded_normal({1, 48, 3, 2, 5}, 3);
  const at::Tensor alone_a = drain(decoder.start(a)), alone_b = drain(decoder.start(b));
  auto stream_a = decoder.start(a), stream_b = decoder.start(b);
  std::vector<at::Tensor> got_a, got_b;
  while (!stream_a.done() || !stream_b.done()) {
    if (!stream_a.done()) got_a.push_back(stream_a.next());
    at::matmul(seeded_normal({64, 64}, 4), seeded_normal({64, 64}, 5));
    if (!stream_b.done()) got_b.push_back(stream_b.next());
  }
  EXPECT_TRUE(at::equal(at::cat(got_a, 2), alone_a));
  EXPECT_TRUE(at::equal(at::cat(got_b, 2), alone_b));
}

// Frames handed out earlier stay as they were when later ones are decoded.
TEST(VideoVaeDecoder, FramesBelongToTheReceiver) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  auto stream = decoder.start(seeded_normal({1, 48, 3, 2, 2}, 6));
  stream.next();
  const at::Tensor second = stream.next(), copy = second.clone();
  stream.next();
  EXPECT_TRUE(at::equal(second, copy));
}

TEST(VideoVaeDecoder, CancelStopsTheStreamAndNoOther) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  const at::Tensor latents = seeded_normal({1, 48, 3, 2, 2}, 8);
  const at::Tensor expected = drain(decoder.start(latents));
  Cancel cancel;
  auto stream = decoder.start(latents, &cancel);
  stream.next();
  cancel.trigger();
  EXPECT_EQ(kind_of([&] { stream.next(); }), ErrorKind::kCancelled);
  EXPECT_TRUE(stream.done());
  cancel.reset();
  EXPECT_EQ(kind_of([&] { stream.next(); }), ErrorKind::kFailed);
  EXPECT_TRUE(at::equal(drain(decoder.start(latents, &cancel)), expected));
}

TEST(VideoVaeEncoder, CancelStopsIt) {
  const VideoVaeEncoder encoder(testing::tiny_weights(kFile));
  Cancel cancel;
  cancel.trigger();
  EXPECT_EQ(kind_of([&] {
              encoder.encode(at::zeros({1, 3, 32, 32}), &cancel);
            }),
            ErrorKind::kCancelled);
}

TEST(VideoVae, Bfloat16StaysNearFloat32) {
  const at::Tensor latents = seeded_normal({1, 48, 3, 4, 4}, 9);
  const at::Tensor exact = drain(VideoVaeDecoder(testing::tiny_weights(kFile)).start(latents));
  const at::Tensor rounded =
      drain(VideoVaeDecoder(testing::tiny_weights(kFile, at::kBFloat16)).start(latents));
  const double decoded = psnr(rounded, exact);
  RecordProperty("decode_psnr_db", std::to_string(decoded));
  EXPECT_GT(decoded, 30);

  const at::Tensor image = seeded_normal({1, 3, 48, 32}, 10).tanh();
  const at::Tensor exact_latents = VideoVaeEncoder(testing::tiny_weights(kFile)).encode(image);
  const at::Tensor rounded_latents =
      VideoVaeEncoder(testing::tiny_weights(kFile, at::kBFloat16)).encode(image);
  EXPECT_EQ(rounded_latents.scalar_type(), at::kFloat);
  const double encoded = psnr(rounded_latents, exact_latents);
  RecordProperty("encode_psnr_db", std::to_string(encoded));
  EXPECT_GT(encoded, 30);
}

TEST(VideoVae, NamesTheMissingTensor) {
  for (const std::string name :
       {"decoder.upsamples.2.upsamples.0.shortcut.weight", "decoder.head.0.gamma", "conv2.bias",
        "decoder.upsamples.0.upsamples.3.resample.1.bias", "decoder.middle.1.to_qkv.weight"}) {
    std::string message;
    const Weights weights = changed_weights([&](auto& tensors) { tensors.erase(name); });
    EXPECT_EQ(kind_of([&] { VideoVaeDecoder decoder(weights); }, &message), ErrorKind::kFormat);
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
  std::string message;
  const Weights weights =
      changed_weights([](auto& tensors) { tensors.erase("encoder.conv1.weight"); });
  EXPECT_EQ(kind_of([&] { VideoVaeEncoder encoder(weights); }, &message), ErrorKind::kFormat);
  EXPECT_NE(message.find("encoder.conv1.weight"), std::string::npos) << message;
}

TEST(VideoVae, RefusesOtherModels) {
  const auto refused = [](const std::string& name, const std::vector<int64_t>& shape) {
    const Weights weights =
        changed_weights([&](auto& tensors) { tensors[name] = at::zeros(shape); });
    EXPECT_EQ(kind_of([&] { VideoVaeDecoder decoder(weights); }), ErrorKind::kFormat) << name;
  };
  refused("conv2.weight", {16, 16, 1, 1, 1});
  refused("decoder.conv1.weight", {32, 16, 3, 3, 3});
  refused("decoder.conv1.weight", {32, 48, 3, 3});
  refused("decoder.head.2.weight", {3, 8, 3, 3, 3});
  // One stage less in time.
  const Weights shorter = changed_weights([](auto& tensors) {
    tensors.erase("decoder.upsamples.0.upsamples.3.time_conv.weight");
    tensors.erase("decoder.upsamples.0.upsamples.3.time_conv.bias");
  });
  EXPECT_EQ(kind_of([&] { VideoVaeDecoder decoder(shorter); }), ErrorKind::kFormat);
}

TEST(VideoVae, RefusesOtherShapes) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{48, 1, 2, 2}, {1, 16, 1, 2, 2}, {1, 48, 0, 2, 2}, {2, 48, 1, 2, 2}})
    EXPECT_EQ(kind_of([&] { decoder.start(at::zeros(shape)); }), ErrorKind::kFailed);
  const VideoVaeEncoder encoder(testing::tiny_weights(kFile));
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{1, 3, 32, 40}, {1, 3, 5, 32, 32}, {3, 32, 32}, {1, 4, 32, 32}})
    EXPECT_EQ(kind_of([&] { encoder.encode(at::zeros(shape)); }), ErrorKind::kFailed);
}

}  // namespace
}  // namespace ovi
