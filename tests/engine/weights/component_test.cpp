// The known mix-ups are named; the right files and unknown ones pass.
// SPDX-License-Identifier: Apache-2.0
#include "weights/component.h"

#include <gtest/gtest.h>

#include <memory>

#include "test_files.h"

namespace ovi {
namespace {

using test::expect_error;

/// Names and shapes without a file.
class Named : public TensorSource {
 public:
  explicit Named(std::vector<std::pair<std::string, std::vector<int64_t>>> tensors) {
    for (auto& [name, shape] : tensors) infos_.push_back({name, at::kFloat, shape});
  }
  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override {
    for (const TensorInfo& info : infos_) {
      if (info.name == name) return &info;
    }
    return nullptr;
  }
  at::Tensor view(const std::string&) const override { throw std::logic_error("not looked at"); }

 private:
  std::string path_ = "given.file";
  std::vector<TensorInfo> infos_;
};

const std::pair<Component, const char*> kTiny[] = {
    {Component::kFusion, "Ovi/model.safetensors"},
    {Component::kTextEncoder, "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"},
    {Component::kVideoVae, "Wan2.2-TI2V-5B/Wan2.2_VAE.pth"},
    {Component::kAudioVae, "MMAudio/ext_weights/v1-16.pth"},
    {Component::kVocoder, "MMAudio/ext_weights/best_netG.pt"},
};

TEST(Component, EveryFileFitsItsOwnPlaceOnly) {
  for (const auto& [is, file] : kTiny) {
    const auto source = open_tensors(test::tiny(file));
    for (const auto& [expected, name] : kTiny) {
      if (is == expected) {
        EXPECT_NO_THROW(reject_wrong_component(*source, expected)) << file;
      } else {
        const std::string needed = std::filesystem::path(name).filename().string();
        expect_error(
            ErrorKind::kFormat, [&, place = expected] { reject_wrong_component(*source, place); }, file,
            needed == "model.safetensors" ? "Ovi/model" : needed);
      }
    }
  }
  EXPECT_NO_THROW(reject_wrong_component(
      *open_tensors(test::tiny("Ovi/model_fp8_e4m3fn.safetensors")), Component::kFusion));
}

TEST(Component, NamesTheKnownMixUps) {
  const auto refuse = [](const Named& source, Component expected, const char* part) {
    expect_error(
        ErrorKind::kFormat, [&] { reject_wrong_component(source, expected); }, "given.file", part,
        "download_weights.py");
  };
  refuse(Named({{"encoder.conv1.weight", {96, 3, 3, 3, 3}},
                {"decoder.conv1.weight", {384, 16, 3, 3, 3}}}),
         Component::kVideoVae, "Wan 2.1");
  refuse(Named({{"decoder.conv_in.weight", {1024, 48, 3, 3, 3}}}), Component::kVideoVae,
         "diffusers");
  refuse(Named({{"encoder.block.0.layer.0.SelfAttention.q.weight", {8, 8}}}),
         Component::kTextEncoder, "not UMT5");
  refuse(Named({{"decoder.conv_in.weight", {512, 40, 3}}}), Component::kAudioVae, "44.1 kHz");
  refuse(Named({{"video_model.blocks.0.ffn.0.weight", {8, 8}}}), Component::kFusion, "one half");
  refuse(Named({{"patch_embedding.weight", {8, 48, 1, 2, 2}},
                {"blocks.0.cross_attn.k.weight", {8, 8}}}),
         Component::kFusion, "without Ovi's sound");
  refuse(Named({{"model.diffusion_model.patch_embedding.weight", {8, 16, 1, 2, 2}}}),
         Component::kFusion, "without Ovi's sound");
}

TEST(Component, TheDecoderOfPreviewsIsNoVideoVae) {
  for (const Named& small : {Named({{"decoder.1.weight", {256, 48, 3, 3}}}),
                             Named({{"decoder.1.conv.0.weight", {1024, 1, 7, 7}}})}) {
    EXPECT_NO_THROW(reject_wrong_component(small, Component::kPreviewDecoder));
    expect_error(
        ErrorKind::kFormat, [&] { reject_wrong_component(small, Component::kVideoVae); },
        "given.file", "previews", "download_weights.py");
  }
  expect_error(
      ErrorKind::kFormat,
      [&] {
        reject_wrong_component(*open_tensors(test::tiny("Wan2.2-TI2V-5B/Wan2.2_VAE.pth")),
                               Component::kPreviewDecoder);
      },
      "Wan2.2_VAE.pth", "taew2_2", "github.com/madebyollin/taehv");
}

TEST(Component, LetsAnUnknownFilePass) {
  for (const auto& [expected, name] : kTiny) {
    EXPECT_NO_THROW(reject_wrong_component(Named({{"some.weight", {1}}}), expected));
    EXPECT_NO_THROW(reject_wrong_component(Named({}), expected));
  }
}

}  // namespace
}  // namespace ovi
