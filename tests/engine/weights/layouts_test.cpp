// Each layout gives the reference's names and values: to the bit where the dtype is the same.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "../layout_files.h"
#include "test_files.h"
#include "weights/layouts/open_component.h"
#include "weights/layouts/shards.h"

namespace ovi {
namespace {

using namespace test;

class Layouts : public testing::Test {
 protected:
  std::string write(const std::string& name, const Tensors& tensors) {
    return write_safetensors(folder_.path(name), tensors);
  }
  void expect_same(const TensorSource& source, const Tensors& expected) {
    EXPECT_EQ(source.tensors().size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      const TensorInfo* info = source.find(name);
      ASSERT_NE(info, nullptr) << name;
      EXPECT_EQ(info->shape, tensor.sizes().vec()) << name;
      EXPECT_EQ(info->dtype, tensor.scalar_type()) << name;
      EXPECT_TRUE(at::equal(source.view(name), tensor)) << name;
      at::Tensor read = at::empty({tensor.numel()}, tensor.options());
      source.read(name, 0, read);
      EXPECT_TRUE(at::equal(read, tensor.reshape({-1}))) << name;
    }
  }
  void expect_component(const std::vector<std::string>& paths, Component component,
                        const Tensors& expected) {
    expect_same(*open_component(paths, component), expected);
  }

  TempFolder folder_;
  Tensors fusion_ = tensors_of(tiny("Ovi/model.safetensors"));
  Tensors t5_ = tensors_of(tiny("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"));
};

TEST_F(Layouts, TheReferencesOwnIsGivenAsItIs) {
  const auto source = open_component({tiny("Ovi/model.safetensors")}, Component::kFusion);
  EXPECT_EQ(source->path(), tiny("Ovi/model.safetensors"));
  expect_same(*source, fusion_);
}

TEST_F(Layouts, PrefixesOfOtherProgramsAndOfNestedFiles) {
  for (const char* prefix :
       {"model.diffusion_model.", "diffusion_model.", "module.", "app.model."}) {
    expect_component({write("m.safetensors", prefixed(fusion_, prefix))}, Component::kFusion,
                     fusion_);
  }
}

TEST_F(Layouts, TwoFilesOfHalves) {
  const Tensors video = below(fusion_, "video_model."), audio = below(fusion_, "audio_model.");
  // kijai's: Wan's names, and the audio half with its prefix.
  const auto kijai_video = write("v.safetensors", with_wan_modulation(video));
  const auto kijai_audio =
      write("a.safetensors", prefixed(with_wan_modulation(audio), "audio_model."));
  expect_component({kijai_video, kijai_audio}, Component::kFusion, fusion_);
  // WanGP's: Ovi's names without a prefix.
  expect_component({write("v2.safetensors", video), write("a2.safetensors", audio)},
                   Component::kFusion, fusion_);
  // Combined, the video half without a prefix.
  Tensors both = with_wan_modulation(video);
  both.merge(prefixed(with_wan_modulation(audio), "audio_model."));
  expect_component({write("both.safetensors", both)}, Component::kFusion, fusion_);
  expect_error(
      ErrorKind::kFormat, [&] { open_component({kijai_video}, Component::kFusion); },
      "v.safetensors", "one half");
  expect_error(
      ErrorKind::kFormat,
      [&] {
        open_component({kijai_video, kijai_video}, Component::kFusion);
      },
      "twice");
}

TEST_F(Layouts, ScaledFloat8IsValueTimesScale) {
  for (const char* scale : {".scale_weight", ".weight_scale"}) {
    const Quantised made = scaled_float8(fusion_, scale);
    const auto path = write("s.safetensors", made.stored);
    expect_component({path}, Component::kFusion, made.meant);
    expect_component({write("c.safetensors", prefixed(made.stored, "model.diffusion_model."))},
                     Component::kFusion, made.meant);
  }
}

TEST_F(Layouts, QuantoInt8IsValueTimesScale) {
  const Quantised made = quanto_int8(fusion_);
  expect_component({write("v.safetensors", below(made.stored, "video_model.")),
                    write("a.safetensors", below(made.stored, "audio_model."))},
                   Component::kFusion, made.meant);
  const Quantised text = quanto_int8(t5_);
  expect_component({write("t.safetensors", text.stored)}, Component::kTextEncoder, text.meant);
}

TEST_F(Layouts, WhatIsStoredIsAtHand) {
  const std::string name = "video_model.blocks.1.ffn.0.weight";
  const Quantised eight = scaled_float8(fusion_), integers = quanto_int8(fusion_);
  const auto floats = open_component({write("s.safetensors", eight.stored)}, Component::kFusion);
  const auto quantized = floats->quantized(name);
  ASSERT_TRUE(quantized);
  EXPECT_EQ(quantized->values.scalar_type(), at::kFloat8_e4m3fn);
  EXPECT_EQ(quantized->scales.numel(), 1);
  EXPECT_TRUE(
      at::equal(quantized->values.to(at::kFloat) * quantized->scales, eight.meant.at(name)));
  EXPECT_EQ(floats->find(quantized->values_name)->dtype, at::kFloat8_e4m3fn);
  at::Tensor values = at::empty({quantized->values.numel()}, quantized->values.options());
  floats->read(quantized->values_name, 0, values);
  EXPECT_TRUE(at::equal(values.view(at::kByte),
                        floats->view(quantized->values_name).reshape({-1}).view(at::kByte)));
  EXPECT_FALSE(floats->quantized("video_model.blocks.1.ffn.0.bias"));
  EXPECT_FALSE(floats->quantized("none"));

  const auto rows = open_component({write("i.safetensors", integers.stored)}, Component::kFusion)
                        ->quantized(name);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->values.scalar_type(), at::kChar);
  EXPECT_EQ(rows->scales.sizes().vec(), std::vector<int64_t>{rows->values.size(0)});
}

TEST_F(Layouts, PartsOfRowsAreScaledRight) {
  const Quantised made = quanto_int8(fusion_);
  const auto source = open_component({write("i.safetensors", made.stored)}, Component::kFusion);
  const std::string name = "audio_model.blocks.0.ffn.2.weight";
  const at::Tensor whole = made.meant.at(name).reshape({-1});
  const int64_t columns = made.meant.at(name).size(1);
  for (const int64_t first : {int64_t{0}, int64_t{1}, columns - 1, columns, 2 * columns + 5}) {
    for (const int64_t count : {int64_t{1}, columns - 1, columns + 1, 3 * columns + 2}) {
      at::Tensor read = at::empty({count}, whole.options().dtype(at::kBFloat16));
      source->read(name, first, read);
      EXPECT_TRUE(at::equal(read, whole.narrow(0, first, count).to(at::kBFloat16)))
          << first << " " << count;
    }
  }
}

TEST_F(Layouts, ScalesThatCannotBe) {
  const Quantised made = scaled_float8(fusion_);
  const std::string scale = "video_model.blocks.0.ffn.0.scale_weight";
  const auto with = [&](const at::Tensor& other) {
    Tensors tensors = made.stored;
    tensors[scale] = other;
    return write("s.safetensors", tensors);
  };
  const auto floats = at::TensorOptions().dtype(at::kFloat);
  for (const at::Tensor& other : {at::ones({2}, floats), at::ones({1, 96}, floats),
                                  at::ones({0}, floats), at::ones({1}, floats.dtype(at::kLong))}) {
    expect_error(
        ErrorKind::kFormat, [&] { open_component({with(other)}, Component::kFusion); },
        "s.safetensors", "blocks.0.ffn.0.weight", "scale");
  }
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const auto source = open_component({with(at::full({}, value, floats))}, Component::kFusion);
    const std::string name = "video_model.blocks.0.ffn.0.weight";
    expect_error(
        ErrorKind::kFormat, [&] { source->view(name); }, scale, "NaN or Inf");
    expect_error(
        ErrorKind::kFormat, [&] { source->quantized(name); }, scale, "NaN or Inf");
  }
  Tensors lacking = quanto_int8(fusion_).stored;
  lacking.erase("video_model.blocks.0.ffn.0.weight._scale");
  expect_error(
      ErrorKind::kFormat,
      [&] { open_component({write("q.safetensors", lacking)}, Component::kFusion); },
      "q.safetensors", "blocks.0.ffn.0.weight._data", "without its scale");
  for (const double value : {0.0, -1.0}) {
    const auto source = open_component({with(at::full({}, value, floats))}, Component::kFusion);
    expect_error(
        ErrorKind::kFormat, [&] { source->view("video_model.blocks.0.ffn.0.weight"); }, scale,
        "0 or less");
  }
  Tensors tensors = made.stored;
  tensors.erase(scale);
  expect_error(
      ErrorKind::kFormat,
      [&] { open_component({write("l.safetensors", tensors)}, Component::kFusion); },
      "video_model.blocks.0.ffn.0.weight", "without its scale");
  tensors = made.stored;
  tensors["video_model.blocks.0.ffn.0.weight_scale"] = at::ones({1}, floats);
  expect_error(
      ErrorKind::kFormat,
      [&] { open_component({write("t.safetensors", tensors)}, Component::kFusion); }, "two scales");
  Tensors bytes = quanto_int8(fusion_).stored;
  at::Tensor& data = bytes["video_model.blocks.0.ffn.0.weight._data"];
  data = data.to(at::kByte);
  expect_error(
      ErrorKind::kFormat,
      [&] { open_component({write("b.safetensors", bytes)}, Component::kFusion); }, "without a sign");
}

TEST_F(Layouts, TheTextEncoderOfTransformersAndComfyUi) {
  Tensors hugging = as_transformers_t5(t5_);
  expect_component({write("t.safetensors", hugging)}, Component::kTextEncoder, t5_);
  hugging["encoder.embed_tokens.weight"] = hugging.at("shared.weight");
  expect_component({write("t.safetensors", hugging)}, Component::kTextEncoder, t5_);
  const Quantised made = scaled_float8(as_transformers_t5(t5_));
  Tensors comfy = made.stored;
  comfy["spiece_model"] = at::zeros({9}, at::TensorOptions().dtype(at::kByte));
  const auto source = open_component({write("c.safetensors", comfy)}, Component::kTextEncoder);
  EXPECT_EQ(source->tensors().size(), t5_.size());
  EXPECT_TRUE(at::equal(source->view("blocks.1.attn.q.weight"),
                        made.meant.at("encoder.block.1.layer.0.SelfAttention.q.weight")));
  // T5 has its table of positions in the first block alone.
  hugging.erase("encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight");
  expect_error(
      ErrorKind::kFormat,
      [&] { open_component({write("t.safetensors", hugging)}, Component::kTextEncoder); },
      "not UMT5");
}

TEST_F(Layouts, VaesAndVocoderAsSafetensors) {
  for (const auto& [file, component] :
       {std::pair{"Wan2.2-TI2V-5B/Wan2.2_VAE.pth", Component::kVideoVae},
        {"MMAudio/ext_weights/v1-16.pth", Component::kAudioVae},
        {"MMAudio/ext_weights/best_netG.pt", Component::kVocoder}}) {
    const Tensors own = tensors_of(tiny(file));
    expect_component({write("any name.safetensors", own)}, component, own);
    const Tensors brief = in(own, at::kBFloat16);
    expect_component({write("bf16.safetensors", brief)}, component, brief);
  }
  const Tensors own = tensors_of(tiny("MMAudio/ext_weights/best_netG.pt"));
  expect_component({write("n.safetensors", below(own, "generator."))}, Component::kVocoder, own);
}

TEST_F(Layouts, ShardsWithAnIndex) {
  const std::string index = write_shards(folder_.path(), "model", as_transformers_t5(t5_));
  expect_component({index}, Component::kTextEncoder, t5_);
  EXPECT_EQ(weight_files(index).size(), 3u);
  const auto refuse = [&](const std::string& json, const char* part) {
    const std::string path = folder_.write("bad.safetensors.index.json", json);
    expect_error(
        ErrorKind::kFormat, [&] { open_component({path}, Component::kTextEncoder); },
        "bad.safetensors.index.json", part);
  };
  refuse(R"({"weight_map":{"a":"../model-00001-of-00002.safetensors"}})", "not in its own folder");
  refuse(R"({"weight_map":{"a":"x/../../m.safetensors"}})", "not in its own folder");
  refuse(R"({"weight_map":{"a":"/etc/passwd"}})", "not in its own folder");
  refuse(R"({"weight_map":{"a":""}})", "not in its own folder");
  refuse(R"({"weight_map":{"a":7}})", "gives no file");
  refuse(R"({"weight_map":{}})", "names no files");
  refuse(R"({"metadata":{}})", "weight_map");
  refuse("[1]", "weight_map");
  refuse(R"({"weight_map":{"a":"model-00001-of-00002.safetensors"}})", "does not hold it");
  std::string many;
  for (int i = 0; i < 300; ++i) {
    many += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"" + std::to_string(i) + "\"";
  }
  refuse("{\"weight_map\":{" + many + "}}", "more than 256");
}

}  // namespace
}  // namespace ovi
