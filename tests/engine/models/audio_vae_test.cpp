// SPDX-License-Identifier: Apache-2.0
#include "models/audio_vae.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "case_data.h"

namespace ovi {
namespace {

using test::MemorySource;
using testing::CaseData;
using testing::max_difference;
using testing::seeded_normal;

constexpr char kFile[] = "MMAudio/ext_weights/v1-16.pth";

std::map<std::string, at::Tensor> tiny_tensors() {
  return MemorySource::copy(*open_tensors(testing::data_path(std::string("models/tiny/") + kFile)));
}

Weights in_memory(std::map<std::string, at::Tensor> tensors) {
  return Weights(std::make_shared<MemorySource>(std::move(tensors)), {});
}

TEST(AudioVae, MatchesReference) {
  const CaseData data("audio-vae-decode");
  const AudioVaeDecoder decoder(testing::tiny_weights(kFile));
  EXPECT_TRUE(data.matches("mel", decoder.decode(data.input("latents"))));
}

TEST(AudioVae, DoublesEveryLength) {
  const AudioVaeDecoder decoder(testing::tiny_weights(kFile));
  for (const int64_t length : {1, 2, 7})
    EXPECT_EQ(decoder.decode(seeded_normal({1, 20, length}, 1)).sizes(),
              at::IntArrayRef({1, 80, 2 * length}));
}

// Only the direction of a weight counts (magnitude-preserving layers).
TEST(AudioVae, ScaleOfWeightsDoesNotMatter) {
  auto tensors = tiny_tensors();
  for (auto& [name, tensor] : tensors)
    if (name.starts_with("decoder.") && name.ends_with(".weight")) tensor = tensor * 50;
  const at::Tensor latents = seeded_normal({1, 20, 9}, 2);
  const at::Tensor expected = AudioVaeDecoder(in_memory(tiny_tensors())).decode(latents);
  const at::Tensor got = AudioVaeDecoder(in_memory(tensors)).decode(latents);
  EXPECT_LE(max_difference(got, expected), 0.02);
}

TEST(AudioVae, EncoderIsNotNeeded) {
  auto tensors = tiny_tensors();
  std::erase_if(tensors, [](const auto& entry) { return !entry.first.starts_with("decoder."); });
  const at::Tensor latents = seeded_normal({1, 20, 5}, 3);
  EXPECT_EQ(max_difference(AudioVaeDecoder(in_memory(tensors)).decode(latents),
                           AudioVaeDecoder(testing::tiny_weights(kFile)).decode(latents)),
            0);
}

TEST(AudioVae, BandsComeFromTheFile) {
  const at::Tensor latents = seeded_normal({1, 20, 5}, 5);
  const auto decode = [&](std::map<std::string, at::Tensor> tensors) {
    return AudioVaeDecoder(in_memory(std::move(tensors))).decode(latents);
  };
  auto tensors = tiny_tensors();
  tensors["data_mean"] = at::zeros({1, 80, 1});
  tensors["data_std"] = at::ones({1, 80, 1});
  const at::Tensor normalised = decode(tensors);
  const at::Tensor mean = seeded_normal({1, 80, 1}, 6), deviation = seeded_normal({1, 80, 1}, 7);
  tensors["data_mean"] = mean;
  EXPECT_EQ(max_difference(decode(tensors), normalised + mean), 0);
  tensors["data_std"] = deviation;
  EXPECT_EQ(max_difference(decode(tensors), normalised * deviation + mean), 0);

  // One without the other: MMAudio's own, which the tiny file has too.
  tensors.erase("data_mean");
  EXPECT_EQ(
      max_difference(decode(tensors), normalised * deviation + tiny_tensors().at("data_mean")), 0);
}

TEST(AudioVae, Bfloat16StaysNearFloat32) {
  const at::Tensor latents = seeded_normal({1, 20, 33}, 4);
  const at::Tensor exact = AudioVaeDecoder(testing::tiny_weights(kFile)).decode(latents);
  const at::Tensor rounded =
      AudioVaeDecoder(testing::tiny_weights(kFile, at::kBFloat16)).decode(latents);
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  const double decibels = testing::psnr(rounded, exact);
  RecordProperty("psnr_db", std::to_string(decibels));
  EXPECT_GT(decibels, 35);
}

TEST(AudioVae, CancelStopsIt) {
  const AudioVaeDecoder decoder(testing::tiny_weights(kFile));
  Cancel cancel;
  cancel.trigger();
  try {
    decoder.decode(at::zeros({1, 20, 4}), &cancel);
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

TEST(AudioVae, NamesWhatIsWrong) {
  const auto message_of = [](std::map<std::string, at::Tensor> tensors) -> std::string {
    try {
      AudioVaeDecoder decoder(in_memory(std::move(tensors)));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      return error.what();
    }
    return {};
  };
  for (const std::string name :
       {"decoder.mid.attn_1.qkv.weight", "decoder.up.1.block.0.nin_shortcut.weight",
        "decoder.learnable_gain", "decoder.conv_out.weight"}) {
    auto tensors = tiny_tensors();
    tensors.erase(name);
    EXPECT_NE(message_of(tensors).find(name), std::string::npos) << message_of(tensors);
  }
  auto tensors = tiny_tensors();
  tensors["decoder.conv_out.weight"] = at::zeros({128, 16, 3});  // the 44 kHz model's bands
  EXPECT_NE(message_of(tensors).find("decoder.conv_out.weight"), std::string::npos);
  for (const std::string name : {"data_mean", "data_std"}) {
    tensors = tiny_tensors();
    tensors[name] = at::zeros({1, 128, 1});
    EXPECT_NE(message_of(tensors).find(name), std::string::npos) << message_of(tensors);
  }
  tensors = tiny_tensors();
  tensors.erase("decoder.up.1.upsample.conv.weight");
  EXPECT_NE(message_of(tensors).find("v1-16.pth"), std::string::npos);
}

TEST(AudioVae, RefusesOtherShapes) {
  const AudioVaeDecoder decoder(testing::tiny_weights(kFile));
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{20, 4}, {1, 40, 4}, {1, 20, 0}, {2, 20, 4}})
    EXPECT_THROW(decoder.decode(at::zeros(shape)), Error);
}

}  // namespace
}  // namespace ovi
