// The side door: what a folder holds and needs, prompts without a model, struct sizes.
// SPDX-License-Identifier: Apache-2.0
#include "ovi/inspect.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Seen {
  struct Part {
    std::string path, dtype, problem, warning;
    uint64_t bytes, tensors, parameters;
  };
  std::map<std::string, Part> parts;
  std::map<ovi_memory, ovi_memory_need> plans;
  std::vector<std::string> warnings;
};

ovi_inspector into(Seen& seen) {
  ovi_inspector to{};
  to.size = sizeof to;
  to.user = &seen;
  to.component = [](void* user, const ovi_component* part) {
    static_cast<Seen*>(user)->parts[part->name] = {part->path,
                                                   part->dtype,
                                                   part->problem ? part->problem : "",
                                                   part->warning ? part->warning : "",
                                                   part->bytes,
                                                   part->tensors,
                                                   part->parameters};
  };
  to.memory = [](void* user, const ovi_memory_need* need) {
    static_cast<Seen*>(user)->plans[need->memory] = *need;
  };
  return to;
}

/// A copy of the tiny model by links, of which files may be replaced.
class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("ovi-inspect-" + std::to_string(reinterpret_cast<uintptr_t>(this)) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    const fs::path tiny = fs::path(std::getenv("OVI_TEST_DATA")) / "models" / "tiny";
    fs::copy(tiny, folder_, fs::copy_options::recursive);
    error_.size = sizeof error_;
    made_.size = sizeof made_;
  }
  void TearDown() override { fs::remove_all(folder_); }

  ovi_status inspect(ovi_memory memory = OVI_MEMORY_AUTO, const char* device = "cpu") {
    const std::string path = folder_.string();
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = path.c_str();
    config.device = device;
    config.memory = memory;
    const ovi_inspector to = into(seen_);
    return ovi_engine_inspect(&config, &to, &made_, &error_);
  }

  fs::path folder_;
  Seen seen_;
  ovi_inspection made_{};
  ovi_error error_{};
};

TEST_F(InspectTest, TellsEveryPartAndWhatFits) {
  ASSERT_EQ(inspect(), OVI_OK) << error_.message;
  ASSERT_EQ(seen_.parts.size(), 6u);
  const Seen::Part& fusion = seen_.parts.at("transformer");
  EXPECT_EQ(fusion.path, (folder_ / "Ovi" / "model.safetensors").string());
  EXPECT_EQ(fusion.bytes, fs::file_size(folder_ / "Ovi" / "model.safetensors"));
  EXPECT_EQ(fusion.dtype, "fp32");
  EXPECT_EQ(fusion.tensors, 237u);
  EXPECT_EQ(fusion.parameters, 551732u);
  EXPECT_EQ(seen_.parts.at("tokenizer").tensors, 0u);
  for (const auto& [name, part] : seen_.parts) EXPECT_EQ(part.problem + part.warning, "") << name;
  EXPECT_STREQ(made_.variant_name, "720x720_5s");
  EXPECT_STREQ(made_.device, "cpu");
  EXPECT_STREQ(made_.precision, "fp32");
  EXPECT_EQ(made_.memory, OVI_MEMORY_RESIDENT);
  EXPECT_EQ(made_.frames, 49u);
  EXPECT_EQ(made_.width % 32, 0u);
  // A CPU has no stream.
  ASSERT_EQ(seen_.plans.size(), 2u);
  EXPECT_GE(seen_.plans.at(OVI_MEMORY_RESIDENT).needed, seen_.plans.at(OVI_MEMORY_OFFLOAD).needed);
  EXPECT_GT(seen_.plans.at(OVI_MEMORY_OFFLOAD).needed, 0u);
  EXPECT_GT(made_.free_bytes, 0u);
  EXPECT_GE(made_.total_bytes, made_.free_bytes);
}

TEST_F(InspectTest, NamesEveryFileThatIsMissing) {
  fs::remove(folder_ / "Ovi" / "model.safetensors");
  fs::remove(folder_ / "Ovi" / "model_fp8_e4m3fn.safetensors");
  fs::remove(folder_ / "Wan2.2-TI2V-5B" / "Wan2.2_VAE.pth");
  ASSERT_EQ(inspect(), OVI_NOT_FOUND);
  EXPECT_NE(std::strstr(error_.message, "model.safetensors"), nullptr) << error_.message;
  EXPECT_NE(std::strstr(error_.message, "Wan2.2_VAE.pth"), nullptr) << error_.message;
}

TEST_F(InspectTest, GoesOnAfterADamagedFile) {
  fs::resize_file(folder_ / "Ovi" / "model.safetensors", 1000);
  fs::resize_file(folder_ / "MMAudio" / "ext_weights" / "best_netG.pt", 1000);
  std::ofstream(folder_ / "Wan2.2-TI2V-5B" / "google" / "umt5-xxl" / "spiece.model") << "nothing";
  EXPECT_EQ(inspect(), OVI_READ);
  ASSERT_EQ(seen_.parts.size(), 6u);
  for (const char* name : {"transformer", "tokenizer", "vocoder"})
    EXPECT_NE(seen_.parts.at(name).problem, "") << name;
  EXPECT_EQ(seen_.parts.at("transformer").problem, error_.message);
  for (const char* name : {"text encoder", "video VAE", "audio VAE"})
    EXPECT_EQ(seen_.parts.at(name).problem, "") << name;
}

TEST_F(InspectTest, AnotherPartInAPlaceIsAProblemOfThatPart) {
  fs::copy_file(folder_ / "Wan2.2-TI2V-5B" / "Wan2.2_VAE.pth",
                folder_ / "MMAudio" / "ext_weights" / "v1-16.pth",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(inspect(), OVI_OK);
  EXPECT_STRNE(error_.message, "");
}

TEST_F(InspectTest, ADeviceThatIsNotThere) {
  EXPECT_EQ(inspect(OVI_MEMORY_AUTO, "tpu"), OVI_SETTINGS);
  EXPECT_EQ(seen_.parts.size(), 6u);
  EXPECT_EQ(inspect(OVI_MEMORY_STREAM), OVI_SETTINGS);
}

TEST_F(InspectTest, WritesNoMoreThanTheCallerHasRoomFor) {
  ovi_inspection old{};
  std::memset(&old, 0x55, sizeof old);
  old.size = offsetof(ovi_inspection, device);
  const std::string path = folder_.string();
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = path.c_str();
  ASSERT_EQ(ovi_engine_inspect(&config, nullptr, &old, nullptr), OVI_OK);
  EXPECT_STREQ(old.variant_name, "720x720_5s");
  EXPECT_EQ(old.device[0], 0x55);
  EXPECT_EQ(old.size, offsetof(ovi_inspection, device));
  EXPECT_EQ(ovi_engine_inspect(nullptr, nullptr, nullptr, &error_), OVI_SETTINGS);
}

TEST_F(InspectTest, PromptsWithoutAModel) {
  ovi_prompt_facts facts{};
  facts.size = sizeof facts;
  std::vector<ovi_warning_code> codes;
  const auto keep = [](void* user, const ovi_warning* warning) {
    static_cast<std::vector<ovi_warning_code>*>(user)->push_back(warning->code);
  };
  const char* good = "Ein Gruß: <S>Hallo.<E> <AUDCAP>leise<ENDAUDCAP>";
  ASSERT_EQ(ovi_engine_check_prompt(good, nullptr, keep, &codes, &facts, &error_), OVI_OK);
  EXPECT_TRUE(codes.empty());
  EXPECT_EQ(facts.characters, std::strlen(good) - 1);
  EXPECT_EQ(facts.tokens, -1);
  EXPECT_EQ(facts.most_tokens, 512u);
  ASSERT_EQ(ovi_engine_check_prompt("<S>Hello.", nullptr, keep, &codes, nullptr, &error_), OVI_OK);
  EXPECT_EQ(codes, (std::vector{OVI_WARNING_TAGS, OVI_WARNING_NO_AUDIO}));
  for (const char* bad : {"", "  \n", "\xff"})
    EXPECT_EQ(ovi_engine_check_prompt(bad, nullptr, keep, &codes, &facts, &error_), OVI_SETTINGS);
  EXPECT_EQ(ovi_engine_check_prompt(nullptr, nullptr, keep, &codes, &facts, &error_), OVI_SETTINGS);
}

TEST_F(InspectTest, PromptsWithAModelHaveALengthInTokens) {
  const std::string path = folder_.string();
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = path.c_str();
  ovi_prompt_facts facts{};
  facts.size = sizeof facts;
  std::vector<ovi_warning_code> codes;
  const auto keep = [](void* user, const ovi_warning* warning) {
    static_cast<std::vector<ovi_warning_code>*>(user)->push_back(warning->code);
  };
  std::string longest = "<S>Hello.<E> Audio: rain";
  for (int i = 0; i < 600; ++i) longest += " rain";
  ASSERT_EQ(ovi_engine_check_prompt(longest.c_str(), &config, keep, &codes, &facts, &error_),
            OVI_OK)
      << error_.message;
  EXPECT_EQ(codes, (std::vector{OVI_WARNING_STYLE, OVI_WARNING_TRUNCATED}));
  EXPECT_GT(facts.tokens, 512);
  fs::remove_all(folder_ / "Wan2.2-TI2V-5B");
  EXPECT_EQ(ovi_engine_check_prompt("Rain.", &config, keep, &codes, &facts, &error_),
            OVI_NOT_FOUND);
}

}  // namespace
