// SPDX-License-Identifier: Apache-2.0
#include "models/bigvgan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv_transpose1d.h>
#include <ATen/ops/kaiser_window.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/replication_pad1d.h>
#include <ATen/ops/sinc.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "case_data.h"

namespace ovi {
namespace {

using testing::CaseData;
using testing::max_difference;
using test::MemorySource;
using testing::seeded_normal;

constexpr char kFile[] = "MMAudio/ext_weights/best_netG.pt";
constexpr char kGain[] = ".parametrizations.weight.original0";
constexpr char kDirection[] = ".parametrizations.weight.original1";

std::map<std::string, at::Tensor> tiny_tensors() {
  return MemorySource::copy(*open_tensors(testing::data_path(std::string("models/tiny/") + kFile)));
}

Weights in_memory(std::map<std::string, at::Tensor> tensors) {
  return Weights(std::make_shared<MemorySource>(std::move(tensors)), {});
}

at::Tensor filter_tensor() {
  const auto taps = bigvgan::half_band_filter();
  return at::tensor(at::ArrayRef<double>(taps.data(), taps.size()), at::kDouble);
}

TEST(BigVgan, MatchesReference) {
  const CaseData data("vocoder");
  const BigVgan vocoder(testing::tiny_weights(kFile));
  EXPECT_TRUE(data.matches("audio", vocoder(data.input("mel"))));
}

TEST(BigVgan, Makes256SamplesOfEveryMelFrame) {
  const BigVgan vocoder(testing::tiny_weights(kFile));
  for (const int64_t frames : {1, 3})
    EXPECT_EQ(vocoder(seeded_normal({1, 80, frames}, 1)).sizes(),
              at::IntArrayRef({1, 1, 256 * frames}));
}

TEST(HalfBandFilter, IsASymmetricKaiserSincOfSumOne) {
  const at::Tensor taps = filter_tensor();
  EXPECT_NEAR(taps.sum().item<double>(), 1, 1e-15);
  EXPECT_LE(max_difference(taps, taps.flip(0)), 1e-16);
  const double attenuation = 2.285 * 5 * std::numbers::pi * 1.2 + 7.95;
  const at::Tensor window =
      at::kaiser_window(12, /*periodic=*/false, 0.1102 * (attenuation - 8.7), at::kDouble);
  at::Tensor expected = window * at::sinc((at::arange(12, at::kDouble) - 5.5) / 2);
  expected /= expected.sum();
  EXPECT_LE(max_difference(taps, expected), 1e-7);
}

// The files carry the filters too: they are what the published weights were trained with.
TEST(HalfBandFilter, IsTheOneInTheFile) {
  const auto tensors = tiny_tensors();
  int found = 0;
  for (const auto& [name, tensor] : tensors)
    if (name.ends_with(".filter")) {
      ++found;
      EXPECT_LE(max_difference(tensor.flatten(), filter_tensor()), 1e-7) << name;
    }
  EXPECT_GT(found, 0);
}

class AntiAliasedSnakeOf : public ::testing::TestWithParam<int64_t> {};

// By the book: zeros inserted, filtered, bent, filtered, every second sample dropped.
TEST_P(AntiAliasedSnakeOf, EqualsZeroInsertionAndDecimation) {
  const int64_t channels = 3, length = GetParam();
  const at::Tensor alpha = seeded_normal({channels}, 1), beta = seeded_normal({channels}, 2);
  const bigvgan::AntiAliasedSnake snake(in_memory({{"act.alpha", alpha}, {"act.beta", beta}}));
  const at::Tensor x = seeded_normal({1, channels, length}, 3);

  const at::Tensor kernel = filter_tensor().view({1, 1, 12}).expand({channels, 1, 12});
  at::Tensor y = at::replication_pad1d(x.to(at::kDouble), {5, 5});
  y = 2 * at::conv_transpose1d(y, kernel, {}, 2, 0, 0, channels).narrow(2, 15, 2 * length);
  const at::Tensor a = alpha.to(at::kDouble).exp().view({1, channels, 1});
  const at::Tensor b = beta.to(at::kDouble).exp().view({1, channels, 1});
  y = y + (a * y).sin().square() / b;
  y = at::conv1d(at::replication_pad1d(y, {5, 6}), kernel, {}, /*stride=*/at::IntArrayRef{2},
                 /*padding=*/at::IntArrayRef{0},
                 /*dilation=*/at::IntArrayRef{1}, channels);

  const at::Tensor got = snake(x);
  ASSERT_EQ(got.sizes(), y.sizes());
  EXPECT_LE(max_difference(got, y), 1e-5 * std::max(1.0, y.abs().max().item<double>()));
  // bfloat16 in, the same numbers inside, bfloat16 out.
  const at::Tensor coarse = x.to(at::kBFloat16);
  EXPECT_EQ(max_difference(snake(coarse), snake(coarse.to(at::kFloat)).to(at::kBFloat16)), 0);
}

INSTANTIATE_TEST_SUITE_P(Lengths, AntiAliasedSnakeOf, ::testing::Values(1, 2, 5, 64, 129));

TEST(BigVgan, ReadsEveryFormOfWeightNorm) {
  const at::Tensor mel = seeded_normal({1, 80, 4}, 5);
  const at::Tensor expected = BigVgan(testing::tiny_weights(kFile))(mel);
  std::map<std::string, at::Tensor> older, plain;
  const auto tensors = tiny_tensors();
  for (const auto& [full, tensor] : tensors) {
    ASSERT_TRUE(full.starts_with("generator."));
    const std::string name = full.substr(std::string("generator.").size());
    const auto stem = [&](const char* ending) { return name.substr(0, name.rfind(ending)); };
    if (name.ends_with(kGain)) {
      older[stem(kGain) + ".weight_g"] = tensor;
    } else if (name.ends_with(kDirection)) {
      older[stem(kDirection) + ".weight_v"] = tensor;
      const at::Tensor gain = tensors.at("generator." + stem(kDirection) + kGain);
      const at::Tensor length = tensor.flatten(1).norm(2, {1}).view({-1, 1, 1});
      plain[stem(kDirection) + ".weight"] = tensor * gain / length;
    } else {
      older[name] = plain[name] = tensor;
    }
  }
  EXPECT_EQ(max_difference(BigVgan(in_memory(older))(mel), expected), 0);
  EXPECT_LE(max_difference(BigVgan(in_memory(plain))(mel), expected), 1e-5);
}

TEST(BigVgan, Bfloat16StaysNearFloat32) {
  const at::Tensor mel = seeded_normal({1, 80, 12}, 6);
  const at::Tensor exact = BigVgan(testing::tiny_weights(kFile))(mel);
  const at::Tensor rounded = BigVgan(testing::tiny_weights(kFile, at::kBFloat16))(mel);
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  const double decibels = testing::psnr(rounded, exact);
  RecordProperty("psnr_db", std::to_string(decibels));
  EXPECT_GT(decibels, 30);
}

TEST(BigVgan, CancelStopsIt) {
  const BigVgan vocoder(testing::tiny_weights(kFile));
  Cancel cancel;
  cancel.trigger();
  try {
    vocoder(at::zeros({1, 80, 2}), &cancel);
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

TEST(BigVgan, NamesWhatIsWrong) {
  const auto message_of = [](std::map<std::string, at::Tensor> tensors) -> std::string {
    try {
      BigVgan vocoder(in_memory(std::move(tensors)));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      return error.what();
    }
    return {};
  };
  for (const std::string name :
       {"generator.resblocks.4.activations.3.act.beta", "generator.ups.2.0.bias",
        "generator.conv_post.parametrizations.weight.original1"}) {
    auto tensors = tiny_tensors();
    tensors.erase(name);
    EXPECT_NE(message_of(tensors).find(name), std::string::npos) << message_of(tensors);
  }
  auto tensors = tiny_tensors();
  std::erase_if(tensors, [](const auto& e) { return e.first.starts_with("generator.ups.5"); });
  EXPECT_NE(message_of(tensors).find("best_netG.pt"), std::string::npos);
  EXPECT_NE(message_of({{"other", at::zeros({1})}}).find("conv_pre"), std::string::npos);
}

TEST(BigVgan, RefusesOtherShapes) {
  const BigVgan vocoder(testing::tiny_weights(kFile));
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{80, 4}, {1, 128, 4}, {1, 80, 0}, {2, 80, 4}})
    EXPECT_THROW(vocoder(at::zeros(shape)), Error);
}

}  // namespace
}  // namespace ovi
