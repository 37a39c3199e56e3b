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
  struct Device {
    std::string name, problem;
    uint32_t ranks;
    uint64_t free;
    ovi_memory memory;
  };
  std::vector<Device> devices;
  std::map<ovi_memory, ovi_memory_need> plans;
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
    auto* seen = static_cast<Seen*>(user);
    EXPECT_EQ(need->device, seen->devices.back().name);
    seen->plans[need->memory] = *need;
  };
  to.device = [](void* user, const ovi_device_report* device) {
    static_cast<Seen*>(user)->devices.push_back(
        {device->name, device->problem ? device->problem : "", device->ranks, device->free_bytes,
         device->memory});
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

  ovi_status inspect(ovi_memory memory = OVI_MEMORY_AUTO, const char* device = "cpu",
                     const char* devices = nullptr) {
    seen_ = {};
    const std::string path = folder_.string();
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = path.c_str();
    config.device = device;
    config.devices = devices;
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

TEST_F(InspectTest, SharesOnACpuAreHeldAgainstItsMemoryTogether) {
  ASSERT_EQ(inspect(), OVI_OK) << error_.message;
  ASSERT_EQ(seen_.devices.size(), 1u);
  EXPECT_EQ(seen_.devices[0].ranks, 1u);
  const auto alone = seen_.plans;
  for (const auto& [devices, ranks] : {std::pair{"cpu,cpu", 2u}, std::pair{"cpu, cpu,cpu", 3u}}) {
    ASSERT_EQ(inspect(OVI_MEMORY_AUTO, "cuda:7", devices), OVI_OK) << error_.message;
    ASSERT_EQ(seen_.devices.size(), 1u) << devices;
    const Seen::Device& cpu = seen_.devices[0];
    EXPECT_EQ(cpu.name, "cpu");
    EXPECT_EQ(cpu.ranks, ranks);
    EXPECT_EQ(cpu.problem, "");
    EXPECT_EQ(cpu.memory, OVI_MEMORY_RESIDENT);
    EXPECT_EQ(cpu.free, made_.free_bytes);
    EXPECT_EQ(made_.memory, OVI_MEMORY_RESIDENT);
    EXPECT_STREQ(made_.device, "cpu");
    // All of them more than the whole, and each no more than it, but for what a share copies: with
    // the tests' sizes some hundredths.
    for (const ovi_memory plan : {OVI_MEMORY_RESIDENT, OVI_MEMORY_OFFLOAD}) {
      EXPECT_GT(seen_.plans.at(plan).needed, alone.at(plan).needed) << devices;
      EXPECT_LT(seen_.plans.at(plan).needed, 1.05 * ranks * alone.at(plan).needed) << devices;
    }
  }
  ASSERT_EQ(inspect(OVI_MEMORY_AUTO, "cuda:7", "cpu"), OVI_OK) << error_.message;
  EXPECT_EQ(seen_.plans.at(OVI_MEMORY_OFFLOAD).needed, alone.at(OVI_MEMORY_OFFLOAD).needed);
}

TEST_F(InspectTest, DevicesThatMakeNoClipAreNamedAndTheFilesToldOf) {
  const struct {
    const char *devices, *named;
    ovi_status status;
  } cases[] = {{"cpu,cpu,cpu,cpu,cpu", "5 devices", OVI_SETTINGS},
               {"cpu,,cpu", "empty", OVI_SETTINGS},
               {"cpu,tpu", "tpu", OVI_SETTINGS},
               {"cpu,cuda:7", "cuda:7", OVI_NOT_FOUND},
               {"ranks", "Set device to that of one", OVI_SETTINGS}};
  for (const auto& one : cases) {
    EXPECT_EQ(inspect(OVI_MEMORY_AUTO, "cpu", one.devices), one.status) << one.devices;
    EXPECT_NE(std::strstr(error_.message, one.named), nullptr) << error_.message;
    EXPECT_EQ(seen_.parts.size(), 6u) << one.devices;
    EXPECT_TRUE(seen_.plans.empty()) << one.devices;
  }
}

TEST_F(InspectTest, TheTimeOfSeveralDevicesIsNotEstimated) {
  const std::string path = folder_.string();
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = path.c_str();
  ovi_request request{};
  request.size = sizeof request;
  ovi_time_estimate time{};
  time.size = sizeof time;
  for (const char* devices : {"cpu,cpu", "ranks"}) {
    config.devices = devices;
    EXPECT_EQ(ovi_engine_estimate(&config, &request, nullptr, &time, &error_), OVI_SETTINGS);
    EXPECT_NE(std::strstr(error_.message, "Set device"), nullptr) << error_.message;
  }
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
