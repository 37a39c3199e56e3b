// Frames in precision=bf16 are at least 45 dB near those in float32, whatever the weights.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/decode_precision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../counted_source.h"
#include "../tiny_model.h"
#include "pipeline/loaded_model.h"

namespace ovi {
namespace {

std::string demo_path() { return test::tiny_path() + "/../demo"; }

struct Decoded {
  at::Tensor frames;
  std::string why;  // the memory plan's sentence
  double psnr;      // of the model's own trial
};

// 9 frames of 64x64 pixels, from latents that no trial saw.
Decoded decode(const std::string& path, const Arithmetic& arithmetic) {
  const c10::InferenceMode inference;
  LoadedModel model(find_model(path, Variant::kAuto), c10::kCPU, arithmetic);
  Reading reading;
  model.prepare({3, 4, 4, 8}, reading);
  const auto decoder = model.video_decoder(reading);
  auto stream = decoder->start(
      at::randn({1, 48, 3, 4, 4}, make_generator(c10::kCPU, 77), at::TensorOptions()));
  std::vector<at::Tensor> frames;
  while (!stream.done()) frames.push_back(stream.next());
  return {at::cat(frames, 2), model.choice().why, bfloat16_decode_psnr(model.sources().video_vae)};
}

double psnr(const at::Tensor& a, const at::Tensor& b) {
  return 10 * std::log10(4.0 / (a - b).square().mean().item<double>());
}

TEST(DecodePrecision, IsBfloat16WhereThatIsNearFloat32) {
  const Decoded exact = decode(test::tiny_path(), at::kFloat);
  const Decoded rounded = decode(test::tiny_path(), at::kBFloat16);
  EXPECT_GE(rounded.psnr, kDecodePsnr);
  EXPECT_EQ(rounded.psnr, exact.psnr);  // the same each time
  EXPECT_GE(psnr(exact.frames, rounded.frames), kDecodePsnr);
  EXPECT_FALSE(rounded.frames.equal(exact.frames));
  EXPECT_EQ(rounded.why.find("float32"), std::string::npos) << rounded.why;
}

TEST(DecodePrecision, IsFloat32WhereBfloat16IsNot) {
  const Decoded exact = decode(demo_path(), at::kFloat);
  for (const Arithmetic& arithmetic :
       {Arithmetic(at::kBFloat16), Arithmetic(at::kBFloat16, /*float8=*/true)}) {
    const Decoded rounded = decode(demo_path(), arithmetic);
    EXPECT_LT(rounded.psnr, kDecodePsnr);
    EXPECT_GT(rounded.psnr, 35.0);  // the norms round once
    EXPECT_TRUE(rounded.frames.equal(exact.frames));
    EXPECT_NE(rounded.why.find("decodes in float32"), std::string::npos) << rounded.why;
  }
}

// The trial reads a decoder of 2 GB: what comes after it takes what it read.
TEST(DecodePrecision, IsFoundOutWithoutReadingTwice) {
  for (const std::string& path : {test::tiny_path(), demo_path()}) {
    const auto others = test::read_otherwise_than_once(find_model(path, Variant::kAuto), c10::kCPU);
    EXPECT_TRUE(others.empty()) << path << ", " << others.size() << ", as " << others.front();
  }
}

}  // namespace
}  // namespace ovi
