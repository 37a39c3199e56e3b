// Which files are found below a folder, and which of two is taken.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>

#include "../../parity/hashed_weights.h"
#include "../layout_files.h"
#include "test_files.h"
#include "weights/file_search.h"
#include "weights/model_folder.h"
#include "weights/published.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;
using namespace test;

/// A folder with everything but the fused model, in the reference's layout.
class Search : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* file :
         {"Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth", "Wan2.2-TI2V-5B/Wan2.2_VAE.pth",
          "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model", "MMAudio/ext_weights/v1-16.pth",
          "MMAudio/ext_weights/best_netG.pt"}) {
      link(file, tiny(file));
    }
  }
  void link(const std::string& name, const std::string& to) {
    const fs::path path = folder_.path(name);
    fs::create_directories(path.parent_path());
    fs::create_symlink(to, path);
  }
  std::string write(const std::string& name, const Tensors& tensors) {
    return write_safetensors(folder_.path(name), tensors);
  }
  ModelFolder find(Variant wanted = Variant::kAuto) { return find_model(folder_.path(), wanted); }
  std::string why(const ModelFolder& model, const std::string& component) {
    for (const FileChoice& choice : model.choices) {
      if (choice.component == component) return choice.why;
    }
    return "no such component";
  }

  TempFolder folder_;
  Tensors fusion_ = tensors_of(tiny("Ovi/model.safetensors"));
  Tensors video_ = below(fusion_, "video_model."), audio_ = below(fusion_, "audio_model.");
};

TEST_F(Search, ComfyUisFoldersWithHalves) {
  const auto video = write(
      "models/diffusion_models/WanVideo/Ovi/Wan_2_2_Ovi_video_model_bf16.safetensors", video_);
  const auto audio =
      write("models/diffusion_models/WanVideo/Ovi/Wan_2_2_Ovi_audio_model_bf16.safetensors",
            prefixed(audio_, "audio_model."));
  const ModelFolder model = find();
  EXPECT_EQ(model.fusion, video);
  EXPECT_EQ(model.fusion_audio, audio);
  EXPECT_EQ(model.variant, Variant::k720x720_5s);
  EXPECT_EQ(why(model, "transformer"), "720x720_5s by its name");
  EXPECT_EQ(files_of(model, Component::kFusion), (std::vector<std::string>{video, audio}));
}

TEST_F(Search, ANameThatSaysNothingIsAGuess) {
  write("mine.safetensors", fusion_);
  EXPECT_EQ(find().variant, Variant::k720x720_5s);
  EXPECT_NE(why(find(), "transformer").find("a guess"), std::string::npos);
  // A wish, and ovi.json, say what it is.
  EXPECT_EQ(find(Variant::k960x960_10s).variant, Variant::k960x960_10s);
  folder_.write("ovi.json", R"({"variant":{"name":"960x960_5s"}})");
  EXPECT_EQ(find().variant, Variant::k960x960_5s);
}

TEST(VariantByName, KnowsThePublishedNames) {
  const auto expect = [](std::optional<Variant> variant, std::vector<const char*> names) {
    for (const char* name : names) EXPECT_EQ(variant_by_name(name), variant) << name;
  };
  expect(Variant::k720x720_5s,
         {"/960x960/model.safetensors", "model_fp8_e4m3fn.safetensors", "Ovi-11B-bf16.safetensors",
          "Ovi-11B-fp8.safetensors", "Wan_2_2_Ovi_video_model_bf16.safetensors",
          "Wan_2_1_Ovi_audio_model_bf16.safetensors",
          "Wan2_2_Ovi_Video_fp8_e4m3fn_scaled_KJ.safetensors",
          "Wan2_2_Ovi_Audio_fp8_e4m3fn_scaled_KJ.safetensors",
          "wan2.2_ovi_video_10B_quanto_bf16_int8.safetensors"});
  expect(Variant::k960x960_5s,
         {"model_960x960.safetensors", "Wan2_2-5B-Ovi_960x960_fp8_e4m3fn_scaled_KJ.safetensors",
          "wan2.2_ovi1_1_audio_10B_bf16.safetensors"});
  expect(Variant::k960x960_10s, {"model_960x960_10s.safetensors",
                                 "Wan2_2-5B-Ovi_960x960_10s_fp8_e4m3fn_scaled_KJ.safetensors",
                                 "wan2.2_ovi1_1_10s_video_10B_quanto_bf16_int8.safetensors"});
  expect(std::nullopt, {"mine.safetensors", "model-00001-of-00003.safetensors"});
}

TEST_F(Search, TheBetterOfTwoIsTakenAndSaid) {
  const auto scaled = write("a/Ovi-11B-scaled.safetensors", scaled_float8(fusion_).stored);
  EXPECT_EQ(find().fusion, scaled);
  const auto integers = write("b/Ovi-11B-int8.safetensors", quanto_int8(fusion_).stored);
  EXPECT_EQ(find().fusion, integers);
  EXPECT_NE(why(find(), "transformer").find("more precise than '" + scaled), std::string::npos)
      << why(find(), "transformer");
  const auto wide = write("c/Ovi-11B-bf16.safetensors", in(fusion_, at::kBFloat16));
  EXPECT_EQ(find().fusion, wide);
  link("Ovi/model.safetensors", tiny("Ovi/model.safetensors"));
  EXPECT_EQ(find().fusion, folder_.path("Ovi/model.safetensors"));
  EXPECT_NE(why(find(), "transformer").find("where Ovi's script puts it"), std::string::npos);
  // A better variant before more precision; a wish before both.
  const auto longer = write("d/Wan2_2-5B-Ovi_960x960_10s_fp8_e4m3fn_scaled_KJ.safetensors",
                            prefixed(scaled_float8(fusion_).stored, "model.diffusion_model."));
  EXPECT_EQ(find().fusion, longer);
  EXPECT_EQ(find(Variant::k720x720_5s).fusion, folder_.path("Ovi/model.safetensors"));
  // What is named itself comes before everything.
  EXPECT_EQ(find_model(folder_.path() + ":" + integers, Variant::kAuto).fusion, integers);
  folder_.write("ovi.json", R"({"variant":{"name":"720x720_5s"}})");
  EXPECT_EQ(find().fusion, folder_.path("Ovi/model.safetensors"));
  EXPECT_EQ(find_model(folder_.path() + ":" + longer, Variant::kAuto).variant,
            Variant::k960x960_10s);
}

TEST_F(Search, OfTwoWholeFoldersTheFirstIsTakenAndSaid) {
  const auto first = write("one/Ovi/model.safetensors", in(fusion_, at::kFloat));
  const auto second = write("two/Ovi/model.safetensors", in(fusion_, at::kBFloat16));
  const ModelFolder found = find_model(
      folder_.path("one") + ":" + folder_.path("two") + ":" + folder_.path(), Variant::kAuto);
  EXPECT_EQ(found.fusion, first);
  EXPECT_NE(why(found, "transformer").find("its folder comes before that of '" + second),
            std::string::npos)
      << why(found, "transformer");
}

TEST_F(Search, HalvesOfDifferentVariantsAreNoPair) {
  const auto video = write("wan2.2_ovi_video_10B_bf16.safetensors", video_);
  const auto audio = write("wan2.2_ovi1_1_10s_audio_10B_bf16.safetensors", audio_);
  expect_error(
      ErrorKind::kNotFound, [&] { find(); }, "different variants", video, audio, "720x720_5s",
      "960x960_10s");
  const auto other =
      write("wan2.2_ovi1_1_10s_video_10B_quanto_bf16_int8.safetensors", quanto_int8(video_).stored);
  EXPECT_EQ(find().fusion, other);
  EXPECT_EQ(find().fusion_audio, audio);
  fs::remove(audio);
  expect_error(
      ErrorKind::kNotFound, [&] { find(); }, "its audio half is not there");
}

TEST_F(Search, SeveralFoldersAndFiles) {
  const TempFolder other;
  const auto fusion = write_safetensors(other.path("x/whole.safetensors"), fusion_);
  EXPECT_EQ(find_model(other.path() + ":" + folder_.path(), Variant::kAuto).fusion, fusion);
  EXPECT_EQ(find_model(fusion + "::" + folder_.path() + ":", Variant::kAuto).fusion, fusion);
  expect_error(
      ErrorKind::kNotFound,
      [&] { find_model(folder_.path() + ":" + other.path("none"), Variant::kAuto); },
      other.path("none"), "does not exist");
  // A folder whose name has a colon is one folder.
  const std::string colon = other.path("a:b");
  fs::create_directory(colon);
  expect_error(
      ErrorKind::kNotFound, [&] { find_model(colon, Variant::kAuto); }, "'" + colon + "' lacks");
}

TEST_F(Search, ADecoderOfPreviewsIsFoundByItsTensorsAndMissedByNone) {
  link("Ovi/model.safetensors", tiny("Ovi/model.safetensors"));
  EXPECT_EQ(find().preview_decoder, "");
  EXPECT_EQ(why(find(), "preview decoder"), "no such component");
  EXPECT_TRUE(files_of(find(), Component::kPreviewDecoder).empty());
  const Tensors plain = in(parity::hashed_preview_decoder(false), at::kHalf),
                large = in(parity::hashed_preview_decoder(true), at::kHalf);
  // Wan 2.1's has 16 channels.
  Tensors other = plain;
  other["decoder.1.weight"] = plain.at("decoder.1.weight").narrow(1, 0, 16);
  write("models/vae_approx/taew2_1.safetensors", other);
  EXPECT_EQ(find().preview_decoder, "");
  // Under its own name only where it cannot be looked into.
  const auto broken = folder_.write("models/vae_approx/taew2_2.safetensors", "half");
  EXPECT_EQ(find().preview_decoder, broken);
  const auto good = write("models/vae_approx/zz.safetensors", large);
  EXPECT_EQ(find().preview_decoder, good);
  EXPECT_EQ(why(find(), "preview decoder"), "");
  const auto first = write("models/vae_approx/a.safetensors", prefixed(plain, "module."));
  EXPECT_EQ(find().preview_decoder, first);
  EXPECT_EQ(why(find(), "preview decoder"), "found before '" + good + "', which is as good");
  EXPECT_EQ(files_of(find(), Component::kPreviewDecoder), (std::vector<std::string>{first}));
}

TEST_F(Search, HuggingFacesCache) {
  const TempFolder hub;
  const auto cached = [&](const std::string& repository, const std::string& file,
                          const std::string& from) {
    const fs::path repo = hub.path("models--" + repository);
    const fs::path blob = repo / "blobs" / std::to_string(std::hash<std::string>()(file));
    const fs::path link = repo / "snapshots" / "0123abcd" / file;
    fs::create_directories(blob.parent_path());
    fs::create_directories(link.parent_path());
    fs::copy(from, blob);
    fs::create_symlink(fs::relative(blob, link.parent_path()), link);
    return link.string();
  };
  const auto fusion =
      cached("chetwinlow1--Ovi", "model_960x960.safetensors", tiny("Ovi/model.safetensors"));
  const auto text = cached("Wan-AI--Wan2.2-TI2V-5B", "models_t5_umt5-xxl-enc-bf16.pth",
                           tiny("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"));
  cached("Wan-AI--Wan2.2-TI2V-5B", "Wan2.2_VAE.pth", tiny("Wan2.2-TI2V-5B/Wan2.2_VAE.pth"));
  const auto spiece = cached("Wan-AI--Wan2.2-TI2V-5B", "google/umt5-xxl/spiece.model",
                             tiny("Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model"));
  cached("hkchengrex--MMAudio", "ext_weights/v1-16.pth", tiny("MMAudio/ext_weights/v1-16.pth"));
  cached("hkchengrex--MMAudio", "ext_weights/best_netG.pt",
         tiny("MMAudio/ext_weights/best_netG.pt"));
  const ModelFolder model = find_model(hub.path(), Variant::kAuto);
  EXPECT_EQ(model.fusion, fusion);
  EXPECT_EQ(model.variant, Variant::k960x960_5s);
  EXPECT_EQ(model.text_encoder, text);
  EXPECT_EQ(model.spiece_model, spiece);
}

TEST_F(Search, ShardsAreNoCandidatesOfTheirOwn) {
  fs::remove(folder_.path("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"));
  link("Ovi/model.safetensors", tiny("Ovi/model.safetensors"));
  fs::create_directories(folder_.path("text_encoder"));
  const std::string index = write_shards(
      folder_.path("text_encoder"), "model",
      as_transformers_t5(tensors_of(tiny("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"))));
  EXPECT_EQ(find().text_encoder, index);
  EXPECT_EQ(all_files(find()).size(), 7u);
}

TEST_F(Search, ABrokenIndexIsNamedAndNotItsShards) {
  fs::remove(folder_.path("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"));
  link("Ovi/model.safetensors", tiny("Ovi/model.safetensors"));
  fs::create_directories(folder_.path("text_encoder"));
  const std::string index = write_shards(
      folder_.path("text_encoder"), "model",
      as_transformers_t5(tensors_of(tiny("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"))));
  for (const char* broken : {"{\"weight_map\":{", "{}", ""}) {
    std::ofstream(index, std::ios::trunc) << broken;
    expect_error(
        ErrorKind::kNotFound, [&] { find(); }, "model.safetensors.index.json");
  }
}

TEST_F(Search, WhatIsNamedAndOfNoUseIsSaid) {
  const auto file = folder_.write("notes.safetensors", "x");
  expect_error(
      ErrorKind::kNotFound, [&] { find_model(file + ":" + folder_.path(), Variant::kAuto); },
      "notes.safetensors' is truncated");
  const auto lora =
      write("lora.safetensors", {{"blocks.0.lora_A.weight", fusion_.begin()->second}});
  expect_error(
      ErrorKind::kNotFound, [&] { find_model(lora + ":" + folder_.path(), Variant::kAuto); },
      "lora.safetensors' holds no part of Ovi");
}

TEST(FileSearch, LinksThatLoopEnd) {
  const TempFolder folder;
  const auto file = folder.write("a/b/m.safetensors", "x");
  fs::create_directory_symlink(folder.path(), folder.path("a/b/up"));
  fs::create_directory_symlink(folder.path("a"), folder.path("again"));
  fs::create_symlink(folder.path("self.pth"), folder.path("self.pth"));
  fs::create_symlink(folder.path("none"), folder.path("dangling.pth"));
  folder.write(".git/x.safetensors", "x");
  folder.write("a/.hidden.safetensors", "x");
  folder.write("a/notes.txt", "x");
  EXPECT_EQ(find_weight_files({folder.path()}).weights, std::vector<std::string>{file});
}

TEST(FileSearch, DepthAndNumberAreBounded) {
  const TempFolder folder;
  std::string deep;
  for (int i = 0; i < 12; ++i) deep += std::to_string(i) + "/";
  folder.write(deep + "m.safetensors", "x");
  EXPECT_TRUE(find_weight_files({folder.path()}).weights.empty());
  const auto near = folder.write("0/1/2/m.safetensors", "x");
  EXPECT_EQ(find_weight_files({folder.path()}).weights, std::vector<std::string>{near});

  for (int i = 0; i < 1200; ++i) folder.write("many/" + std::to_string(i) + ".pt", "x");
  const FoundFiles many = find_weight_files({folder.path()});
  EXPECT_LE(many.weights.size(), 1000u);
  EXPECT_NE(many.stopped.find("1000 weight files"), std::string::npos);
}

TEST(FileSearch, OneFolderFullOfOtherThingsIsNotTheEnd) {
  const TempFolder folder;
  for (int i = 0; i < 5'100; ++i) folder.write("a/" + std::to_string(i) + ".png", "x");
  const auto file = folder.write("b/c/m.safetensors", "x");
  const FoundFiles found = find_weight_files({folder.path()});
  EXPECT_EQ(found.weights, std::vector<std::string>{file});
  EXPECT_NE(found.stopped.find(folder.path("a")), std::string::npos) << found.stopped;
}

TEST_F(Search, AFolderOfAHundredThousandFiles) {
  link("Ovi/model.safetensors", tiny("Ovi/model.safetensors"));
  fs::create_directory(folder_.path("frames"));
  for (int i = 0; i < 100'000; ++i) {
    std::ofstream(folder_.path("frames/" + std::to_string(i) + ".pt"));
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(find().fusion, folder_.path("Ovi/model.safetensors"));  // its place is known
  fs::remove(folder_.path("Ovi/model.safetensors"));
  expect_error(
      ErrorKind::kNotFound, [&] { find(); }, "The search ended after");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace ovi
