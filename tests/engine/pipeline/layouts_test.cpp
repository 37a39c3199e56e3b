// Clips of the tiny model from weight files of other programs: the same latents, frames and
// samples as from the reference's layout.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "../layout_files.h"
#include "../tiny_model.h"
#include "pipeline/inspection.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;
using namespace test;

constexpr char kText[] = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
constexpr char kVideo[] = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
constexpr char kSpiece[] = "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model";
constexpr char kAudio[] = "MMAudio/ext_weights/v1-16.pth";
constexpr char kVocoder[] = "MMAudio/ext_weights/best_netG.pt";

struct Made {
  at::Tensor frames, samples;
  std::vector<std::string> notes;
};

class LayoutClips : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ovi-layouts-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    request_.image =
        at::arange(48 * 64 * 3, at::kInt).remainder(251).to(at::kByte).view({48, 64, 3});
  }
  void TearDown() override { fs::remove_all(folder_); }

  Tensors tiny_tensors(const std::string& file) { return tensors_of(tiny_path() + "/" + file); }
  fs::path path(const std::string& name) const { return folder_ / name; }
  /// Those of the tiny model that are not written by the test, and its ovi.json.
  void put(const std::vector<std::string>& files, const std::string& below = {}) {
    for (const std::string& file : files) {
      const fs::path to = path(below) / file;
      fs::create_directories(to.parent_path());
      fs::copy(fs::path(tiny_path()) / file, to);
    }
    if (!fs::exists(path(below) / "ovi.json")) {
      fs::create_directories(path(below));
      fs::copy(fs::path(tiny_path()) / "ovi.json", path(below) / "ovi.json");
    }
  }
  ModelFolder find(const std::string& below) {
    ModelFolder folder = find_model(path(below).string(), Variant::kAuto);
    folder.spec.area = 64 * 64;
    folder.spec.video_latents = 2;
    folder.spec.audio_latents = 8;
    return folder;
  }
  Made make(const std::string& below, const Arithmetic& arithmetic = at::kFloat,
            const c10::Device& device = c10::kCPU) {
    RecordingSink sink;
    Generator(std::make_shared<LoadedModel>(find(below), device, arithmetic))
        .generate(request_, sink, nullptr);
    return {at::cat(sink.frames), sink.samples, sink.notes};
  }
  static void expect_same(const Made& one, const Made& other) {
    EXPECT_TRUE(at::equal(one.frames, other.frames));
    EXPECT_TRUE(at::equal(one.samples, other.samples));
  }
  static double frames_psnr(const Made& one, const Made& other) {
    const at::Tensor error = one.frames.to(at::kDouble) - other.frames.to(at::kDouble);
    return 20 * std::log10(255 / std::sqrt(error.square().mean().item<double>() + 1e-12));
  }

  fs::path folder_;
  Request request_ = small_request();
  Tensors fusion_ = tiny_tensors("Ovi/model.safetensors");
};

TEST_F(LayoutClips, ComfyUisFoldersWithEveryFileUnderAnotherName) {
  put({"Ovi/model.safetensors", kText, kVideo, kSpiece, kAudio, kVocoder}, "reference");
  const Made truth = make("reference");
  put({}, "comfy");
  const fs::path models = path("comfy/models");
  write_safetensors(models / "diffusion_models/Wan_2_2_Ovi_video_model_bf16.safetensors",
                    with_wan_modulation(below(fusion_, "video_model.")));
  write_safetensors(models / "diffusion_models/Wan_2_2_Ovi_audio_model_bf16.safetensors",
                    prefixed(with_wan_modulation(below(fusion_, "audio_model.")), "audio_model."));
  write_safetensors(models / "text_encoders/umt5_xxl_fp16.safetensors",
                    as_transformers_t5(tiny_tensors(kText)));
  write_safetensors(models / "vae/wan2.2_vae.safetensors", tiny_tensors(kVideo));
  write_safetensors(models / "vae/mmaudio_vae_16k_fp32.safetensors", tiny_tensors(kAudio));
  write_safetensors(models / "mmaudio/mmaudio_vocoder_bigvgan_best_netG_fp32.safetensors",
                    below(tiny_tensors(kVocoder), "generator."));
  fs::create_directories(path("comfy/custom_nodes/configs/T5_tokenizer"));
  fs::copy(fs::path(tiny_path()) / kSpiece,
           path("comfy/custom_nodes/configs/T5_tokenizer/spiece.model"));
  const fs::path json = fs::path(kSpiece).parent_path() / "tokenizer.json";
  fs::copy(fs::path(tiny_path()) / json,
           path("comfy/custom_nodes/configs/T5_tokenizer/tokenizer.json"));
  fs::copy(fs::path(tiny_path()) / json, path("reference") / json);
  const Made made = make("comfy");
  expect_same(made, make("reference"));
  // One line for each file, and the memory's before them.
  ASSERT_EQ(made.notes.size(), 8u);
  EXPECT_TRUE(made.notes[1].starts_with("transformer: '")) << made.notes[1];
  EXPECT_NE(made.notes[1].find("720x720_5s by its name"), std::string::npos) << made.notes[1];
  EXPECT_TRUE(made.notes[3].starts_with("text encoder: '")) << made.notes[3];
  EXPECT_EQ(truth.notes.size(), 7u);
}

TEST_F(LayoutClips, FilesInFewerBitsGiveTheClipOfTheirValues) {
  const std::vector<std::string> others = {kText, kVideo, kSpiece, kAudio, kVocoder};
  const Quantised eight = scaled_float8(fusion_), integers = quanto_int8(fusion_);
  put({"Ovi/model.safetensors"}, "exact");
  for (const char* name : {"exact", "eight", "eight-meant", "int8", "int8-meant"}) {
    put(others, name);
  }
  const Made exact = make("exact");
  // kijai's combined file.
  write_safetensors(path("eight/Wan2_2-5B-Ovi_fp8_e4m3fn_scaled_KJ.safetensors"),
                    prefixed(with_wan_modulation(eight.stored), "model.diffusion_model."));
  write_safetensors(path("eight-meant/Ovi/model.safetensors"), eight.meant);
  // WanGP's halves.
  write_safetensors(path("int8/wan2.2_ovi_video_10B_quanto_bf16_int8.safetensors"),
                    below(integers.stored, "video_model."));
  write_safetensors(path("int8/wan2.2_ovi_audio_10B_quanto_bf16_int8.safetensors"),
                    below(integers.stored, "audio_model."));
  write_safetensors(path("int8-meant/Ovi/model.safetensors"), integers.meant);
  for (const Arithmetic& arithmetic : {Arithmetic(at::kFloat), Arithmetic(at::kBFloat16)}) {
    expect_same(make("eight", arithmetic), make("eight-meant", arithmetic));
    expect_same(make("int8", arithmetic), make("int8-meant", arithmetic));
  }
  EXPECT_GT(frames_psnr(make("eight"), exact), 35);  // dB, of random networks
  EXPECT_GT(frames_psnr(make("int8"), exact), 40);
  // 8-bit products take what is stored.
  const Arithmetic float8{at::kBFloat16, true};
  const Made computed = make("exact", float8);
  EXPECT_GT(frames_psnr(make("eight", float8), computed), 30);
  EXPECT_GT(frames_psnr(make("int8", float8), computed), 30);
}

TEST_F(LayoutClips, TextEncoderAndVaesInFewerBits) {
  const Tensors text = tiny_tensors(kText), video = tiny_tensors(kVideo);
  const Quantised eight = scaled_float8(text), integers = quanto_int8(text);
  const std::vector<std::string> others = {"Ovi/model.safetensors", kSpiece, kAudio, kVocoder};
  for (const char* name : {"eight", "eight-meant", "int8", "int8-meant", "f8", "bf16"}) {
    put(others, name);
    if (name != std::string("bf16")) put({kVideo}, name);
  }
  Tensors comfy;  // with the scales renamed as their matrices are
  for (const auto& [name, tensor] : as_transformers_t5(eight.stored)) comfy[name] = tensor;
  for (const auto& [name, tensor] : eight.stored) {
    if (!name.ends_with(".scale_weight")) continue;
    const std::string stem = name.substr(0, name.size() - 13);
    for (const auto& [other, same] : as_transformers_t5({{stem + ".weight", tensor}})) {
      comfy[other.substr(0, other.size() - 7) + ".scale_weight"] = same;
    }
  }
  write_safetensors(path("eight/umt5_xxl_fp8_e4m3fn_scaled.safetensors"), comfy);
  write_safetensors(path("eight-meant/text.safetensors"), eight.meant);
  write_safetensors(path("int8/models_t5_umt5-xxl-enc-quanto_int8.safetensors"), integers.stored);
  write_safetensors(path("int8-meant/text.safetensors"), integers.meant);
  expect_same(make("eight"), make("eight-meant"));
  expect_same(make("int8"), make("int8-meant"));
  // kijai's: everything but norms in 8 bits, without scales.
  Tensors plain;
  for (const auto& [name, tensor] : text) {
    plain[name] = name.find("norm") == std::string::npos ? tensor.to(at::kFloat8_e4m3fn) : tensor;
  }
  write_safetensors(path("f8/umt5-xxl-enc-fp8_e4m3fn.safetensors"), plain);
  EXPECT_GT(frames_psnr(make("f8"), make("eight-meant")), 25);
  put({kText}, "bf16");
  write_safetensors(path("bf16/Wan2_2_VAE_bf16.safetensors"), in(video, at::kBFloat16));
  put({"Ovi/model.safetensors", kText, kVideo, kSpiece, kAudio, kVocoder}, "exact");
  EXPECT_GT(frames_psnr(make("bf16"), make("exact")), 40);
}

TEST_F(LayoutClips, AnInspectionNamesBothHalvesAndTheChoice) {
  put({kText, kVideo, kSpiece, kAudio, kVocoder}, "m");
  write_safetensors(path("m/wan2.2_ovi_video_10B_bf16.safetensors"),
                    below(fusion_, "video_model."));
  write_safetensors(path("m/wan2.2_ovi_audio_10B_bf16.safetensors"),
                    below(fusion_, "audio_model."));
  const Inspection made = inspect({.model_path = path("m").string()}, "cpu");
  EXPECT_FALSE(made.problem) << made.problem->what();
  ASSERT_EQ(made.components.size(), 7u);
  EXPECT_EQ(made.components[0].name, "transformer");
  EXPECT_EQ(made.components[1].name, "transformer");
  EXPECT_NE(made.components[0].path, made.components[1].path);
  EXPECT_EQ(made.components[0].why, "720x720_5s by its name");
}

}  // namespace
}  // namespace ovi
