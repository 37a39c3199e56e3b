// Weights: prefixes, shapes, conversion, and the messages of a wrong file.
// SPDX-License-Identifier: Apache-2.0
#include "weights/weights.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "test_files.h"

namespace ovi {
namespace {

using test::expect_error;

Weights tiny_fusion(Placement placement = {}) {
  return Weights(open_tensors(test::tiny("Ovi/model.safetensors")), std::move(placement));
}

TEST(Weights, FindsNamesBelowAPrefix) {
  const Weights fusion = tiny_fusion();
  const Weights block = fusion.at("video_model").at("blocks").at(0);
  EXPECT_EQ(block.full_name("ffn.0.bias"), "video_model.blocks.0.ffn.0.bias");
  EXPECT_TRUE(block.has("ffn.0.bias"));
  EXPECT_FALSE(block.has("ffn.0"));
  EXPECT_TRUE(block.has_any_below("ffn.0"));
  EXPECT_TRUE(block.has_any_below("ffn"));
  EXPECT_FALSE(block.has_any_below("ff"));
  EXPECT_EQ(fusion.at("video_model").at("blocks").count(), 3);
  EXPECT_EQ(fusion.at("video_model").at("head").count(), 0);
  EXPECT_EQ(block.shape("ffn.0.weight", 2), (std::vector<int64_t>{96, 48}));
  EXPECT_EQ(block.shape("ffn.0.weight"), (std::vector<int64_t>{96, 48}));
  EXPECT_EQ(Weights(open_tensors(test::tiny("Ovi/model.safetensors")), {}, "video_model.blocks.0")
                .full_name("x"),
            "video_model.blocks.0.x");
}

// 50,000 blocks of no values are 4 MB of names; each once was compared with every other.
TEST(Weights, BlocksWithoutEndAreRefused) {
  const test::TempFolder folder;
  std::string header = "{";
  for (int i = 0; i < 50'000; ++i) {
    header += (i ? ",\"" : "\"") + std::string("blocks.") + std::to_string(i) +
              R"(.x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  header += "}";
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  const auto source = open_tensors(folder.write("many.safetensors", bytes + header));
  const Weights weights(source, {});
  test::expect_error(
      ErrorKind::kFormat, [&] { weights.at("blocks").count(); }, "many.safetensors", "256");
  // Sizes come from shapes: nothing is derived from a tensor without values.
  test::expect_error(
      ErrorKind::kFormat, [&] { weights.get("blocks.0.x", {kAny}); }, "blocks.0.x", "no values");
  test::expect_error(
      ErrorKind::kFormat, [&] { weights.shape("blocks.0.x", 1); }, "blocks.0.x", "no values");
}

TEST(Weights, UsesAFittingTensorInPlace) {
  const auto source = open_tensors(test::tiny("Ovi/model.safetensors"));
  const Weights weights(source, {});
  const at::Tensor taken = weights.get("video_model.head.head.weight", {192, kAny});
  EXPECT_EQ(taken.const_data_ptr(), source->view("video_model.head.head.weight").const_data_ptr());
}

TEST(Weights, ConvertsOnceToThePlacesDtype) {
  Placement placement;
  placement.dtype = at::kBFloat16;
  int64_t bytes = 0;
  placement.on_bytes = [&](int64_t more) { bytes += more; };
  const auto source = open_tensors(test::tiny("Ovi/model.safetensors"));
  const Weights weights(source, placement);
  const at::Tensor half = weights.get("video_model.head.head.bias", {192});
  EXPECT_EQ(half.scalar_type(), at::kBFloat16);
  EXPECT_EQ(bytes, 192 * 4);  // as stored
  const at::Tensor stored = source->view("video_model.head.head.bias");
  EXPECT_TRUE(at::equal(half, stored.to(at::kBFloat16)));
  const at::Tensor full = weights.get_float("video_model.head.head.bias", {kAny});
  EXPECT_EQ(full.const_data_ptr(), stored.const_data_ptr());
  EXPECT_EQ(bytes, 2 * 192 * 4);
}

TEST(Weights, ReadsFloat8) {
  const Weights weights(open_tensors(test::tiny("Ovi/model_fp8_e4m3fn.safetensors")), {});
  const std::string name = "video_model.blocks.0.ffn.0.weight";
  const at::Tensor wide = weights.get(name, {96, 48});
  EXPECT_EQ(wide.scalar_type(), at::kFloat);
  // The full file rounded to float8 is what the float8 file holds.
  const at::Tensor full = tiny_fusion().get(name, {96, 48});
  EXPECT_TRUE(at::equal(wide, full.to(at::kFloat8_e4m3fn).to(at::kFloat)));
}

TEST(Weights, MakesViewsContiguous) {
  Placement placement;
  const auto source = open_tensors(test::fixture("views.pth"));
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    placement.dtype = dtype;
    for (const char* name : {"transposed", "column", "expanded", "bf16_transposed"}) {
      const at::Tensor taken = Weights(source, placement).get(name, source->find(name)->shape);
      EXPECT_TRUE(taken.is_contiguous()) << name;
      EXPECT_TRUE(at::equal(taken, source->view(name).to(dtype))) << name;
    }
  }
}

TEST(Weights, CastsIntegersAndBooleans) {
  const Weights weights(open_tensors(test::fixture("types.pth")), {});
  EXPECT_EQ(weights.get("i64", {2, 3}).scalar_type(), at::kFloat);
  EXPECT_EQ(weights.get("bool", {2, 3}).scalar_type(), at::kFloat);
  EXPECT_EQ(weights.get("scalar", {}).item<float>(), 2.5f);
  EXPECT_EQ(weights.get("empty", {0, 4}).numel(), 0);
}

TEST(Weights, AnOptionalTensorMayBeMissingButNotMisshapen) {
  const Weights weights = tiny_fusion().at("video_model").at("head").at("head");
  EXPECT_FALSE(weights.get_optional("scale", {192}).defined());
  EXPECT_TRUE(weights.get_optional("bias", {192}).defined());
  expect_error(
      ErrorKind::kFormat, [&] { weights.get_optional("bias", {191}); }, "[191]", "[192]");
}

TEST(Weights, NamesFileTensorAndShapes) {
  const Weights weights = tiny_fusion().at("video_model");
  expect_error(
      ErrorKind::kFormat,
      [&] {
        weights.get("head.head.weight", {kAny, 3072});
      },
      "model.safetensors", "'video_model.head.head.weight'", "[192, 48]", "[any, 3072]");
  expect_error(
      ErrorKind::kFormat, [&] { weights.get("head.head.weight", {192}); }, "[192, 48]", "[192]");
  expect_error(
      ErrorKind::kFormat,
      [&] {
        weights.get("nothing.like.this", {4, kAny});
      },
      "'video_model.nothing.like.this'", "[4, any]", "not the file");
  expect_error(
      ErrorKind::kFormat, [&] { weights.shape("head.head.weight", 3); }, "[192, 48]",
      "3 dimensions");
  expect_error(
      ErrorKind::kFormat, [&] { weights.shape("nowhere"); }, "'video_model.nowhere'");
}

TEST(Weights, HintsAtASimilarName) {
  const Weights weights = tiny_fusion().at("model").at("video_model");
  expect_error(
      ErrorKind::kFormat,
      [&] {
        weights.get("head.head.weight", {192, 48});
      },
      "'model.video_model.head.head.weight'", "it has 'video_model.head.head.weight'");
}

TEST(Weights, OnBytesMayStopTheLoad) {
  Placement placement;
  placement.on_bytes = [](int64_t) { throw Error(ErrorKind::kCancelled, "stopped"); };
  const Weights weights = tiny_fusion(placement);
  expect_error(
      ErrorKind::kCancelled, [&] { weights.get("video_model.head.head.bias", {192}); }, "stopped");
}

}  // namespace
}  // namespace ovi
