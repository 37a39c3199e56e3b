// Finding a model: layouts, variants, ovi.json, and what is said when something
// is missing.
// SPDX-License-Identifier: Apache-2.0
#include "weights/model_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "test_files.h"

namespace ovi {
namespace {

using test::expect_error;
using test::TempFolder;

const char* const kOthers[] = {
    "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth",
    "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model",
    "Wan2.2-TI2V-5B/Wan2.2_VAE.pth",
    "MMAudio/ext_weights/v1-16.pth",
    "MMAudio/ext_weights/best_netG.pt",
};

class ModelFolderTest : public testing::Test {
 protected:
  void others(const std::string& below = {}) {
    for (const char* file : kOthers) folder_.write(below + file, "x");
  }
  void fusion(const std::string& file) { folder_.write("Ovi/" + file, "x"); }
  void settings(const std::string& json) { folder_.write("ovi.json", json); }
  ModelFolder find(Variant wanted = Variant::kAuto, const std::string& checkpoint = {}) {
    return find_model(folder_.path(), wanted, checkpoint);
  }
  TempFolder folder_;
};

TEST_F(ModelFolderTest, FindsThePublishedLayout) {
  others();
  fusion("model.safetensors");
  const ModelFolder model = find();
  EXPECT_EQ(model.root, folder_.path());
  EXPECT_EQ(model.variant, Variant::k720x720_5s);
  EXPECT_EQ(model.fusion, folder_.path("Ovi/model.safetensors"));
  EXPECT_EQ(model.text_encoder, folder_.path(kOthers[0]));
  EXPECT_EQ(model.spiece_model, folder_.path(kOthers[1]));
  EXPECT_EQ(model.video_vae, folder_.path(kOthers[2]));
  EXPECT_EQ(model.audio_vae, folder_.path(kOthers[3]));
  EXPECT_EQ(model.vocoder, folder_.path(kOthers[4]));
  EXPECT_EQ(model.spec.name, "720x720_5s");
  EXPECT_EQ(model.spec.area, 720 * 720);
  EXPECT_EQ(model.spec.video_latents, 31);
  EXPECT_EQ(model.spec.audio_latents, 157);
  EXPECT_TRUE(model.spec.audcap_tags);
  EXPECT_FALSE(model.num_heads);
  EXPECT_FALSE(model.audio_rope_scaling);
  EXPECT_FALSE(model.fusion_is_fp8);
}

TEST_F(ModelFolderTest, FindsTheParentAndAFlatFolder) {
  others("ckpts/");
  folder_.write("ckpts/Ovi/model_960x960.safetensors", "x");
  EXPECT_EQ(find().fusion, folder_.path("ckpts/Ovi/model_960x960.safetensors"));
  EXPECT_EQ(find().variant, Variant::k960x960_5s);

  const TempFolder flat;
  for (const char* file : kOthers) {
    flat.write(std::filesystem::path(file).filename().string(), "x");
  }
  flat.write("model_960x960_10s.safetensors", "x");
  const ModelFolder model = find_model(flat.path(), Variant::kAuto);
  EXPECT_EQ(model.vocoder, flat.path("best_netG.pt"));
  EXPECT_EQ(model.spec.video_latents, 61);
  EXPECT_EQ(model.spec.audio_latents, 314);
  EXPECT_FALSE(model.spec.audcap_tags);
}

TEST_F(ModelFolderTest, FindsMeasuredMagnitudesBesideOviJson) {
  others("ckpts/");
  folder_.write("ckpts/Ovi/model.safetensors", "x");
  EXPECT_EQ(find().acceleration, "");
  folder_.write("ckpts/acceleration.json", "{}");
  EXPECT_EQ(find().acceleration, folder_.path("ckpts/acceleration.json"));
  folder_.write("acceleration.json", "{}");
  EXPECT_EQ(find().acceleration, folder_.path("acceleration.json"));
}

TEST_F(ModelFolderTest, AutoTakesTheBestThatIsThere) {
  others();
  fusion("model_fp8_e4m3fn.safetensors");
  EXPECT_EQ(find().variant, Variant::k720x720_5s);
  EXPECT_TRUE(find().fusion_is_fp8);
  fusion("model.safetensors");
  EXPECT_FALSE(find().fusion_is_fp8);
  fusion("model_960x960.safetensors");
  EXPECT_EQ(find().variant, Variant::k960x960_5s);
  fusion("model_960x960_10s.safetensors");
  EXPECT_EQ(find().variant, Variant::k960x960_10s);
  // A wish is a wish.
  EXPECT_EQ(find(Variant::k720x720_5s).fusion, folder_.path("Ovi/model.safetensors"));
  EXPECT_EQ(find(Variant::k960x960_5s).variant, Variant::k960x960_5s);
  // So is a file's name, which also tells the variant.
  EXPECT_TRUE(find(Variant::kAuto, "model_fp8_e4m3fn.safetensors").fusion_is_fp8);
  EXPECT_EQ(find(Variant::kAuto, "model_960x960.safetensors").variant, Variant::k960x960_5s);
  fusion("mine.safetensors");
  EXPECT_EQ(find(Variant::k960x960_5s, "mine.safetensors").variant, Variant::k960x960_5s);
  expect_error(
      ErrorKind::kNotFound, [&] { find(Variant::kAuto, "other.safetensors"); },
      "Ovi/other.safetensors");
}

TEST_F(ModelFolderTest, OneMessageListsEverythingMissing) {
  expect_error(
      ErrorKind::kNotFound, [&] { find(); }, folder_.path(), "Ovi/model.safetensors", kOthers[0],
      kOthers[1], kOthers[2], kOthers[3], kOthers[4], "`ovi fetch FOLDER` fetches them");
  others();
  fusion("model.safetensors");
  std::filesystem::remove(folder_.path(kOthers[2]));
  std::filesystem::remove(folder_.path(kOthers[3]));
  const std::string message = expect_error(
      ErrorKind::kNotFound, [&] { find(); }, kOthers[2], kOthers[3]);
  const size_t there = message.find("There: ");
  ASSERT_NE(there, std::string::npos) << message;
  EXPECT_NE(message.find("model.safetensors", there), std::string::npos) << message;
  EXPECT_NE(message.find("spiece", there), std::string::npos) << message;
  // What is there and cannot be read may be what is missed.
  EXPECT_LT(message.find("Ovi/model.safetensors' is truncated"), there) << message;
  EXPECT_LT(message.find("2.8 GB, huggingface.co/Wan-AI/Wan2.2-TI2V-5B"), there) << message;
  EXPECT_LT(message.find("687 MB, huggingface.co/hkchengrex/MMAudio"), there) << message;
}

TEST_F(ModelFolderTest, NamesTheVariantsThatAreThere) {
  others();
  fusion("model_fp8_e4m3fn.safetensors");
  fusion("model_960x960.safetensors");
  expect_error(
      ErrorKind::kNotFound, [&] { find(Variant::k960x960_10s); },
      "Ovi/model_960x960_10s.safetensors", "--variant 960x960_10s", "960x960_5s, 720x720_5s");
}

TEST_F(ModelFolderTest, TellsABadPathApart) {
  expect_error(
      ErrorKind::kNotFound, [] { find_model("", Variant::kAuto); }, "model-path", "OVI_MODEL_PATH");
  expect_error(
      ErrorKind::kNotFound, [&] { find_model(folder_.path("none"), Variant::kAuto); },
      folder_.path("none"), "does not exist");
  const std::string file = folder_.write("model.safetensors", "x");
  expect_error(
      ErrorKind::kNotFound, [&] { find_model(file, Variant::kAuto); }, file,
      "Ovi/model.safetensors");
  // A folder in a file's place is no file.
  others();
  std::filesystem::create_directories(folder_.path("Ovi/model_960x960.safetensors"));
  EXPECT_EQ(find().fusion, file);
}

TEST_F(ModelFolderTest, TellsAFileThatMayNotBeRead) {
  others();
  fusion("model.safetensors");
  const auto refuse = [&](const char* part) {
    const test::Unprivileged user;
    expect_error(
        ErrorKind::kNotAuthorized, [&] { find(); }, part, "permissions");
  };
  ASSERT_EQ(::chmod(folder_.path("Ovi/model.safetensors").c_str(), 0), 0);
  refuse("Ovi/model.safetensors");
  ASSERT_EQ(::chmod(folder_.path("Ovi").c_str(), 0), 0);
  refuse("Ovi/");
  ASSERT_EQ(::chmod(folder_.path("Ovi").c_str(), 0700), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0), 0);
  refuse(folder_.path().c_str());
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
}

TEST_F(ModelFolderTest, SettingsOverrideTheNamedVariant) {
  others();
  fusion("model.safetensors");
  fusion("model_960x960.safetensors");
  settings(R"({"variant":{"name":"720x720_5s","area":65536,"video_latents":13,"audio_latents":64},
               "fusion":{"num_heads":2,"audio_rope_scaling":0.25}})");
  const ModelFolder model = find();
  EXPECT_EQ(model.variant, Variant::k720x720_5s);
  EXPECT_EQ(model.spec.area, 65536);
  EXPECT_EQ(model.spec.video_latents, 13);
  EXPECT_EQ(model.spec.audio_latents, 64);
  EXPECT_TRUE(model.spec.audcap_tags);
  EXPECT_EQ(model.num_heads, 2);
  EXPECT_EQ(model.audio_rope_scaling, 0.25);
  // Another variant keeps its own clip size.
  EXPECT_EQ(find(Variant::k960x960_5s).spec.area, 960 * 960);
  settings(R"({"variant":{"area":65536}})");
  EXPECT_EQ(find().spec.area, 65536);
  EXPECT_EQ(find().variant, Variant::k960x960_5s);
  settings("{}");
  EXPECT_EQ(find().spec.area, 960 * 960);
}

TEST_F(ModelFolderTest, SettingsAreCheckedByFieldAndValue) {
  others();
  fusion("model.safetensors");
  const auto refuse = [&](const char* json, const char* field, const char* value) {
    settings(json);
    expect_error(
        ErrorKind::kFormat, [&] { find(); }, "ovi.json", field, value);
  };
  refuse("{", "not JSON", "");
  refuse(std::string(100'000, '[').c_str(), "nested", "");
  refuse((R"({"variant":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}").c_str(),
         "nested", "");
  refuse(R"({"variant":{"area":4096,"area":8192}})", "'area' twice", "");
  refuse("[1]", "[1]", "object");
  refuse(R"({"variant":[]})", "variant", "object");
  refuse(R"({"variant":{"name":"480p"}})", "variant.name", "480p");
  refuse(R"({"variant":{"name":7}})", "variant.name", "7");
  refuse(R"({"variant":{"area":-1}})", "variant.area", "-1");
  refuse(R"({"variant":{"area":1000.5}})", "variant.area", "1000.5");
  refuse(R"({"variant":{"area":"big"}})", "variant.area", "big");
  refuse(R"({"variant":{"area":99999999999}})", "variant.area", "99999999999");
  refuse(R"({"variant":{"video_latents":0}})", "variant.video_latents", "0");
  refuse(R"({"variant":{"video_latents":1000000000}})", "variant.video_latents", "1000000000");
  refuse(R"({"variant":{"audio_latents":1000000000}})", "variant.audio_latents", "1000000000");
  // Four times what the variant was trained for: 720 x 720 pixels, 31 and 157 latents.
  refuse(R"({"variant":{"area":2073601}})", "variant.area is 2073601", "2073600");
  refuse(R"({"variant":{"video_latents":125}})", "variant.video_latents is 125", "124");
  refuse(R"({"variant":{"audio_latents":629}})", "variant.audio_latents is 629", "628");
  refuse(R"({"variant":{"area":2073600,"video_latents":32}})",
         "variant.area times variant.video_latents is 66355200", "64281600");
  refuse(R"({"variant":{"area":16777216}})", "16777216", "720x720_5s");
  refuse((R"({"variant":{"name":")" + std::string(900, 'n') + "\"}}").c_str(), "nnn...",
         "is needed");
  refuse((R"({")" + std::string(900, 'n') + "\":1}").c_str(), "nnn...", "known here");
  refuse(R"({"fusion":{"audio_rope_scaling":1e-320}})", "fusion.audio_rope_scaling", "0.001");
  refuse(R"({"fusion":{"audio_rope_scaling":1001}})", "fusion.audio_rope_scaling", "1000");
  refuse(R"({"fusion":{"audio_rope_scaling":1e300}})", "audio_rope_scaling", "1e+300");
  refuse(R"({"variant":{"audio_latents":null}})", "variant.audio_latents", "null");
  refuse(R"({"fusion":{"num_heads":0}})", "fusion.num_heads", "0");
  refuse(R"({"fusion":{"audio_rope_scaling":0}})", "fusion.audio_rope_scaling", "0");
  refuse(R"({"fusion":{"audio_rope_scaling":"x"}})", "fusion.audio_rope_scaling", "x");
  refuse(R"({"fusion":{"heads":2}})", "fusion.heads", "num_heads");
  refuse(R"({"fusions":{}})", "fusions", "variant, fusion");

  // The limits themselves are none of that, and those of a variant that is not used neither.
  settings(
      R"({"variant":{"area":2073600,"audio_latents":628},"fusion":{"audio_rope_scaling":0.001}})");
  EXPECT_EQ(find().spec.area, 2073600);
  settings(R"({"variant":{"video_latents":124}})");
  EXPECT_EQ(find().spec.video_latents, 124);
  settings(R"({"variant":{"name":"960x960_10s","area":99999999}})");
  EXPECT_EQ(find(Variant::k720x720_5s).spec.area, 720 * 720);
}

TEST_F(ModelFolderTest, LinksThatLeadNowhereAreNamed) {
  others();
  fusion("model.safetensors");
  const std::string path = folder_.path("ovi.json");
  std::filesystem::remove(path);
  std::filesystem::create_symlink(path, path);
  expect_error(
      ErrorKind::kOpenRead, [&] { find(); }, "ovi.json");
  std::filesystem::remove(path);
  std::filesystem::create_symlink(folder_.path("none"), path);
  expect_error(
      ErrorKind::kNotFound, [&] { find(); }, "ovi.json");
  std::filesystem::remove(path);
  const std::string weights = folder_.path("Ovi/model.safetensors");
  std::filesystem::remove(weights);
  std::filesystem::create_symlink(weights, weights);
  expect_error(
      ErrorKind::kOpenRead, [&] { find(); }, "model.safetensors", "leads to itself");
}

TEST(ModelFolder, FindsTheTinyModel) {
  const ModelFolder model = find_model(test::tiny(""), Variant::kAuto);
  EXPECT_EQ(model.num_heads, 2);
  EXPECT_EQ(model.audio_rope_scaling, 0.19676);
  EXPECT_EQ(model.spec.video_latents, 13);
  EXPECT_TRUE(
      find_model(test::tiny(""), Variant::kAuto, "model_fp8_e4m3fn.safetensors").fusion_is_fp8);
}

TEST(ModelFolder, PublishedSpecs) {
  EXPECT_EQ(published_spec(Variant::k960x960_10s).name, "960x960_10s");
  EXPECT_EQ(published_spec(Variant::k960x960_5s).area, 921600);
  EXPECT_EQ(published_spec(Variant::k960x960_5s).width, 1280);
  EXPECT_EQ(published_spec(Variant::k720x720_5s).width, 992);
  expect_error(ErrorKind::kSettings, [] { published_spec(Variant::kAuto); });
}

}  // namespace
}  // namespace ovi
