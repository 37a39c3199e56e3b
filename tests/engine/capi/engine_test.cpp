// The door as a host uses it: statuses, struct sizes, ownership.
// SPDX-License-Identifier: Apache-2.0
#include "ovi/engine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "small_request.h"

namespace {

namespace fs = std::filesystem;

std::string tiny() { return std::string(std::getenv("OVI_TEST_DATA")) + "/models/tiny"; }

ovi_error new_error() {
  ovi_error error{};
  error.size = sizeof error;
  return error;
}

ovi_engine_config config_for(const std::string& path) {
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = path.c_str();
  config.device = "cpu";
  return config;
}

// A copy of the tiny model (by links) whose clips have few frames.
class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("ovi-capi-" + std::to_string(reinterpret_cast<uintptr_t>(this)) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    for (const char* part : {"Ovi", "Wan2.2-TI2V-5B", "MMAudio"}) {
      fs::create_directory_symlink(fs::canonical(fs::path(tiny()) / part), folder_ / part);
    }
    std::ofstream(folder_ / "ovi.json")
        << R"({"variant": {"name": "720x720_5s", "area": 4096, "video_latents": 2,)"
           R"( "audio_latents": 8}, "fusion": {"num_heads": 2}})";
  }
  void TearDown() override {
    ovi_engine_destroy(engine_);
    fs::remove_all(folder_);
  }
  ovi_engine* open() {
    const std::string path = folder_.string();
    const ovi_engine_config config = config_for(path);
    ovi_error error = new_error();
    EXPECT_EQ(ovi_engine_create(&config, &engine_, &error), OVI_OK) << error.message;
    return engine_;
  }

  fs::path folder_;
  ovi_engine* engine_ = nullptr;
};

struct Clip {
  std::vector<ovi_video_frame> frames;
  ovi_audio audio{};
  ovi_cancel* cancel = nullptr;

  static void on_video(void* user, const ovi_video_frame* frame) {
    static_cast<Clip*>(user)->frames.push_back(*frame);
  }
  static void on_audio(void* user, const ovi_audio* audio) {
    static_cast<Clip*>(user)->audio = *audio;
  }
  static void on_progress(void* user, const ovi_progress* progress) {
    auto* clip = static_cast<Clip*>(user);
    if (clip->cancel && progress->stage == OVI_STAGE_GENERATE) ovi_cancel_trigger(clip->cancel);
  }
  ovi_callbacks callbacks() {
    ovi_callbacks made{};
    made.size = sizeof made;
    made.user = this;
    made.video = on_video;
    made.audio = on_audio;
    made.progress = on_progress;
    return made;
  }
  ~Clip() {
    for (const ovi_video_frame& frame : frames) ovi_buffer_release(frame.owner);
    if (audio.owner) ovi_buffer_release(audio.owner);
  }
};

TEST(Abi, AnswersItsVersion) {
  EXPECT_EQ(ovi_engine_abi_version(), OVI_ENGINE_ABI);
  int major = -1, minor = -1, patch = -1;
  EXPECT_EQ(std::sscanf(ovi_engine_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}

// A safetensors file of tensors of 192 zeros.
void write_lora(const std::string& path,
                const std::vector<std::pair<std::string, std::string>>& tensors) {
  constexpr size_t kBytes = 192 * sizeof(float);
  std::string header = "{";
  size_t end = 0;
  for (const auto& [name, shape] : tensors) {
    header.append(end > 0 ? ",\"" : "\"").append(name).append(R"(":{"dtype":"F32","shape":)");
    header.append(shape).append(R"(,"data_offsets":[)").append(std::to_string(end)).append(",");
    header.append(std::to_string(end += kBytes)).append("]}");
  }
  header += "}";
  const uint64_t length = header.size();
  std::ofstream(path, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&length), sizeof length) << header
      << std::string(tensors.size() * kBytes, '\0');
}

TEST_F(EngineTest, LorasAreHeldAgainstTheModelAtOnce) {
  const std::string path = folder_.string();
  const std::string file = (folder_ / "l.safetensors").string();
  const std::string down = "blocks.0.self_attn.q.lora_A.weight",
                    up = "blocks.0.self_attn.q.lora_B.weight",
                    other = "blocks.9.self_attn.q.lora_B.weight";
  write_lora(file, {{down, "[4,48]"}, {up, "[48,4]"}, {other, "[48,4]"}});
  ovi_lora loras[2] = {{sizeof(ovi_lora), file.c_str(), 1}, {sizeof(ovi_lora), "", 1}};
  ovi_engine_config config = config_for(path);
  config.loras = loras;
  ovi_error error = new_error();
  const auto create = [&](uint32_t count) {
    config.lora_count = count;
    ovi_engine_destroy(engine_);
    engine_ = nullptr;
    return ovi_engine_create(&config, &engine_, &error);
  };
  ASSERT_EQ(create(1), OVI_OK) << error.message;
  const ovi_request request = small_request();
  std::string warnings;
  ASSERT_EQ(ovi_engine_plan(
                engine_, &request, nullptr,
                [](void* user, const ovi_warning* warning) {
                  if (warning->code == OVI_WARNING_MODEL)
                    *static_cast<std::string*>(user) += warning->message;
                },
                &warnings, &error),
            OVI_OK);
  EXPECT_NE(warnings.find(other), std::string::npos) << warnings;

  EXPECT_EQ(create(2), OVI_SETTINGS);
  EXPECT_EQ(create(33), OVI_SETTINGS);
  loras[1].path = "/no/such.safetensors";
  EXPECT_EQ(create(2), OVI_NOT_FOUND);
  EXPECT_NE(std::string(error.message).find("/no/such.safetensors"), std::string::npos);
  loras[0].strength = 11;
  EXPECT_EQ(create(1), OVI_SETTINGS);
  loras[0].strength = 1;
  write_lora(file, {{other, "[48,4]"}});
  EXPECT_EQ(create(1), OVI_FORMAT);
  EXPECT_NE(std::string(error.message).find("l.safetensors"), std::string::npos);
  config.loras = nullptr;
  EXPECT_EQ(create(1), OVI_SETTINGS);
  EXPECT_EQ(create(0), OVI_OK) << error.message;
}

TEST_F(EngineTest, MakesAClipThatOutlivesTheEngine) {
  ovi_engine* engine = open();
  ovi_request request = small_request();
  const std::vector<uint8_t> pixels(40 * 200, 90);  // 40 rows of 64 pixels, 200 bytes apart
  request.image = pixels.data();
  request.image_width = 64;
  request.image_height = 40;
  request.image_stride = 200;
  request.pixel_format = OVI_PIXELS_I420;
  request.sample_format = OVI_SAMPLES_S16;

  ovi_plan plan{};
  plan.size = sizeof plan;
  ovi_error error = new_error();
  ASSERT_EQ(ovi_engine_plan(engine, &request, &plan, nullptr, nullptr, &error), OVI_OK)
      << error.message;
  EXPECT_EQ(plan.frames, 5u);
  EXPECT_EQ(plan.samples, 4096u);
  EXPECT_EQ(plan.frame_rate, 24u);
  EXPECT_EQ(plan.sample_rate, 16000u);
  EXPECT_STREQ(plan.variant_name, "720x720_5s");
  EXPECT_STREQ(plan.device, "cpu");
  EXPECT_STREQ(plan.precision, "fp32");

  Clip clip;
  const ovi_callbacks callbacks = clip.callbacks();
  ovi_stats stats{};
  stats.size = sizeof stats;
  ASSERT_EQ(ovi_engine_generate(engine, &request, &callbacks, nullptr, &stats, &error), OVI_OK)
      << error.message << error.detail;
  ovi_engine_destroy(engine_);
  engine_ = nullptr;

  ASSERT_EQ(clip.frames.size(), plan.frames);
  const size_t luma = plan.width * plan.height;
  for (uint32_t i = 0; i < plan.frames; ++i) {
    const ovi_video_frame& frame = clip.frames[i];
    EXPECT_EQ(frame.index, i);
    EXPECT_EQ(frame.bytes, luma * 3 / 2);
    EXPECT_EQ(frame.planes, 3u);
    EXPECT_EQ(frame.offset[1], luma);
    EXPECT_EQ(frame.stride[1], static_cast<int32_t>(plan.width / 2));
    volatile uint8_t last = frame.data[frame.bytes - 1];  // readable to the end
    (void)last;
  }
  EXPECT_EQ(clip.audio.samples, plan.samples);
  EXPECT_EQ(clip.audio.bytes, plan.samples * 2);
  EXPECT_EQ(stats.seed, 5);
  EXPECT_GT(stats.total_seconds, 0);
}

TEST_F(EngineTest, NeedsNoCallbacksAndNoStats) {
  const ovi_request request = small_request();
  EXPECT_EQ(ovi_engine_generate(open(), &request, nullptr, nullptr, nullptr, nullptr), OVI_OK);
}

TEST_F(EngineTest, StopsWhenCancelledAndWorksAgain) {
  const ovi_request request = small_request();
  Clip cancelled;
  cancelled.cancel = ovi_cancel_new();
  const ovi_callbacks callbacks = cancelled.callbacks();
  ovi_engine* engine = open();
  EXPECT_EQ(ovi_engine_generate(engine, &request, &callbacks, cancelled.cancel, nullptr, nullptr),
            OVI_CANCELLED);
  EXPECT_TRUE(cancelled.frames.empty());
  ovi_cancel_reset(cancelled.cancel);
  ovi_cancel* flag = cancelled.cancel;
  cancelled.cancel = nullptr;
  EXPECT_EQ(ovi_engine_generate(engine, &request, &callbacks, flag, nullptr, nullptr), OVI_OK);
  EXPECT_EQ(cancelled.frames.size(), 5u);
  ovi_cancel_free(flag);
}

TEST_F(EngineTest, KeepsToTheSizesItIsGiven) {
  ovi_engine* engine = open();
  const ovi_request request = small_request();
  // A host that was built when the plan ended after its height.
  ovi_plan plan;
  std::memset(&plan, 0x5a, sizeof plan);
  plan.size = offsetof(ovi_plan, frames);
  ASSERT_EQ(ovi_engine_plan(engine, &request, &plan, nullptr, nullptr, nullptr), OVI_OK);
  EXPECT_EQ(plan.size, offsetof(ovi_plan, frames));
  EXPECT_GT(plan.width, 0u);
  EXPECT_EQ(plan.frames, 0x5a5a5a5au) << "written beyond its size";

  ovi_error error;
  std::memset(&error, 0x5a, sizeof error);
  error.size = offsetof(ovi_error, detail);
  ovi_request bad = request;
  bad.steps = 0;
  EXPECT_EQ(ovi_engine_plan(engine, &bad, &plan, nullptr, nullptr, &error), OVI_SETTINGS);
  EXPECT_NE(std::strstr(error.message, "steps"), nullptr);
  EXPECT_EQ(error.detail[0], 0x5a) << "written beyond its size";
}

TEST_F(EngineTest, KeepsInMemoryWhatItIsTold) {
  const std::string path = folder_.string();
  ovi_engine_config config = config_for(path);
  const ovi_request request = small_request();
  std::vector<std::string> notes;
  ovi_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.user = &notes;
  callbacks.note = [](void* user, const char* message) {
    static_cast<std::vector<std::string>*>(user)->push_back(message);
  };
  ovi_error error = new_error();
  for (const auto& [wish, name] :
       {std::pair{OVI_MEMORY_AUTO, "resident"}, std::pair{OVI_MEMORY_OFFLOAD, "offload"}}) {
    config.memory = wish;
    notes.clear();
    ASSERT_EQ(ovi_engine_create(&config, &engine_, &error), OVI_OK) << error.message;
    ovi_stats stats{};
    stats.size = sizeof stats;
    ASSERT_EQ(ovi_engine_generate(engine_, &request, &callbacks, nullptr, &stats, &error), OVI_OK)
        << error.message;
    EXPECT_STREQ(stats.memory, name);
    ASSERT_EQ(notes.size(), 7u);  // and a line for each file
    EXPECT_EQ(notes[0].find(std::string("memory=") + name + ": "), 0u) << notes[0];
    EXPECT_EQ(notes[1].find("transformer: '"), 0u) << notes[1];
    EXPECT_EQ(notes[6].find("vocoder: '"), 0u) << notes[6];
    ovi_engine_destroy(engine_);
    engine_ = nullptr;
  }
  config.memory = OVI_MEMORY_STREAM;  // to a CPU
  EXPECT_EQ(ovi_engine_create(&config, &engine_, &error), OVI_SETTINGS);
  EXPECT_NE(std::strstr(error.message, "memory=offload"), nullptr) << error.message;
  config.memory = static_cast<ovi_memory>(3 + 1);
  EXPECT_EQ(ovi_engine_create(&config, &engine_, &error), OVI_SETTINGS);
  // A host from before there were memory plans.
  config.size = offsetof(ovi_engine_config, memory);
  EXPECT_EQ(ovi_engine_create(&config, &engine_, &error), OVI_OK) << error.message;
}

TEST_F(EngineTest, WarnsWithPositions) {
  ovi_request request = small_request();
  request.prompt = "She says, <S>Hi.</S>";
  std::vector<std::pair<ovi_warning_code, int64_t>> warnings;
  const auto warn = [](void* user, const ovi_warning* warning) {
    EXPECT_GT(std::strlen(warning->message), 10u);
    static_cast<decltype(warnings)*>(user)->push_back({warning->code, warning->position});
  };
  ASSERT_EQ(ovi_engine_plan(open(), &request, nullptr, warn, &warnings, nullptr), OVI_OK);
  ASSERT_GE(warnings.size(), 2u);
  EXPECT_EQ(warnings.front().first, OVI_WARNING_TAGS);
  EXPECT_EQ(warnings.back().first, OVI_WARNING_NO_AUDIO);
}

TEST_F(EngineTest, SharesOneModelBetweenEngines) {
  ovi_engine* engine = open();
  const std::string path = folder_.string();
  const ovi_engine_config config = config_for(path);
  ovi_engine* other = nullptr;
  ASSERT_EQ(ovi_engine_create(&config, &other, nullptr), OVI_OK);
  const ovi_request request = small_request();
  const auto load_reports = [&](ovi_engine* of) {
    int count = 0;
    ovi_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.user = &count;
    callbacks.progress = [](void* user, const ovi_progress* progress) {
      if (progress->stage == OVI_STAGE_LOAD) ++*static_cast<int*>(user);
    };
    EXPECT_EQ(ovi_engine_generate(of, &request, &callbacks, nullptr, nullptr, nullptr), OVI_OK);
    return count;
  };
  EXPECT_GT(load_reports(engine), 4);
  EXPECT_EQ(load_reports(other), 2) << "the second engine read the weights again";
  ovi_engine_destroy(other);
  EXPECT_EQ(load_reports(engine), 2) << "the model went with the other engine";
}

TEST_F(EngineTest, SaysWhatTheStepsReused) {
  ovi_engine* engine = open();
  ovi_request request = small_request();
  request.steps = 20;
  const auto run = [&](ovi_acceleration acceleration) {
    request.acceleration = acceleration;
    ovi_stats stats{};
    stats.size = sizeof stats;
    EXPECT_EQ(ovi_engine_generate(engine, &request, nullptr, nullptr, &stats, nullptr), OVI_OK);
    EXPECT_EQ(stats.full_steps + stats.guidance_reused_steps + stats.reused_steps, stats.steps);
    return stats;
  };
  const ovi_stats none = run(OVI_ACCELERATION_NONE), balanced = run(OVI_ACCELERATION_BALANCED),
                  fast = run(OVI_ACCELERATION_FAST);
  EXPECT_EQ(none.full_steps, 20u);
  EXPECT_STREQ(none.acceleration, "20 steps, all in full.");
  EXPECT_EQ(balanced.steps, 20u);
  EXPECT_GT(balanced.guidance_reused_steps, 0u);
  EXPECT_GT(balanced.reused_steps, 0u);
  EXPECT_NE(std::strstr(balanced.acceleration, "backbone"), nullptr) << balanced.acceleration;
  EXPECT_EQ(fast.steps, 12u);
  EXPECT_NE(std::strstr(fast.acceleration, "12 steps instead of 20"), nullptr) << fast.acceleration;
  EXPECT_LT(std::strlen(fast.acceleration), sizeof fast.acceleration - 1) << "cut";

  // A host that was built before there was anything to reuse.
  request.size = offsetof(ovi_request, acceleration);
  request.acceleration = static_cast<ovi_acceleration>(77);
  ovi_stats stats;
  std::memset(&stats, 0x5a, sizeof stats);
  stats.size = offsetof(ovi_stats, full_steps);
  ASSERT_EQ(ovi_engine_generate(engine, &request, nullptr, nullptr, &stats, nullptr), OVI_OK);
  EXPECT_EQ(stats.steps, 20u);
  EXPECT_EQ(stats.full_steps, 0x5a5a5a5au) << "written beyond its size";
}

struct Mistake {
  ovi_status status;
  const char* names;
  void (*make)(const fs::path& folder, ovi_engine_config& config, ovi_request& request);
};

class MistakeTest : public EngineTest, public testing::WithParamInterface<Mistake> {};

void replace(const fs::path& folder, const char* part, const char* file, const std::string& bytes) {
  const fs::path real = fs::canonical(folder / part);
  fs::remove(folder / part);
  fs::copy(real, folder / part, fs::copy_options::recursive);
  const fs::path target = folder / part / file;
  fs::permissions(target, fs::perms::owner_write, fs::perm_options::add);
  std::ofstream(target, std::ios::binary | std::ios::trunc) << bytes;
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_P(MistakeTest, GivesItsStatusAndNamesTheThing) {
  std::string path = folder_.string();
  ovi_engine_config config = config_for(path);
  ovi_request request = small_request();
  GetParam().make(folder_, config, request);
  ovi_error error = new_error();
  ovi_status status = ovi_engine_create(&config, &engine_, &error);
  if (status == OVI_OK) {
    status = ovi_engine_generate(engine_, &request, nullptr, nullptr, nullptr, &error);
  } else {
    EXPECT_EQ(engine_, nullptr);
  }
  EXPECT_EQ(status, GetParam().status) << error.message;
  EXPECT_EQ(error.status, GetParam().status);
  EXPECT_NE(std::strstr(error.message, GetParam().names), nullptr) << error.message;
}

INSTANTIATE_TEST_SUITE_P(
    All, MistakeTest,
    testing::Values(
        Mistake{OVI_NOT_FOUND, "model-path",
                [](const fs::path&, ovi_engine_config& c, ovi_request&) { c.model_path = ""; }},
        Mistake{OVI_NOT_FOUND, "/no/such/folder",
                [](const fs::path&, ovi_engine_config& c, ovi_request&) {
                  c.model_path = "/no/such/folder";
                }},
        Mistake{
            OVI_NOT_FOUND, "v1-16.pth",
            [](const fs::path& f, ovi_engine_config&, ovi_request&) { fs::remove(f / "MMAudio"); }},
        Mistake{OVI_NOT_FOUND, "model_960x960.safetensors",
                [](const fs::path&, ovi_engine_config& c, ovi_request&) {
                  c.variant = OVI_VARIANT_960X960_5S;
                }},
        Mistake{OVI_SETTINGS, "gpu",
                [](const fs::path&, ovi_engine_config& c, ovi_request&) { c.device = "gpu"; }},
        Mistake{OVI_NOT_FOUND, "cuda:99",
                [](const fs::path&, ovi_engine_config& c, ovi_request&) { c.device = "cuda:99"; }},
        Mistake{OVI_READ, "Wan2.2_VAE.pth",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  const std::string whole = bytes_of(f / "Wan2.2-TI2V-5B/Wan2.2_VAE.pth");
                  replace(f, "Wan2.2-TI2V-5B", "Wan2.2_VAE.pth", whole.substr(0, 100000));
                }},
        Mistake{OVI_READ, "model.safetensors",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  const std::string whole = bytes_of(f / "Ovi/model.safetensors");
                  replace(f, "Ovi", "model.safetensors", whole.substr(0, whole.size() - 1));
                }},
        Mistake{OVI_FORMAT, "best_netG.pt",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  replace(f, "MMAudio", "ext_weights/best_netG.pt",
                          bytes_of(f / "MMAudio/ext_weights/v1-16.pth"));
                }},
        Mistake{OVI_FORMAT, "ovi.json",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  std::ofstream(f / "ovi.json") << "{\"fusion\": {\"num_heads\": \"two\"}}";
                }},
        Mistake{OVI_FORMAT, "num_heads",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  std::ofstream(f / "ovi.json") << "{\"fusion\": {\"num_heads\": 7}}";
                }},
        Mistake{OVI_FORMAT, "acceleration.json",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  std::ofstream(f / "acceleration.json") << "{\"720x720_5s\": {}}";
                }},
        Mistake{OVI_SETTINGS, "acceleration",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  r.acceleration = static_cast<ovi_acceleration>(3);
                }},
        Mistake{OVI_SETTINGS, "prompt",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) { r.prompt = " "; }},
        Mistake{OVI_SETTINGS, "prompt",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) { r.prompt = nullptr; }},
        Mistake{OVI_SETTINGS, "UTF-8",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) { r.prompt = "a\xff"; }},
        Mistake{OVI_SETTINGS, "solver",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  r.solver = static_cast<ovi_solver>(9);
                }},
        Mistake{OVI_SETTINGS, "pixel format",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  r.pixel_format = static_cast<ovi_pixel_format>(-3);
                }},
        Mistake{OVI_SETTINGS, "image_stride",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  static const uint8_t pixel[3] = {};
                  r.image = pixel;
                  r.image_width = r.image_height = 1;
                  r.image_stride = 2;
                }},
        Mistake{OVI_SETTINGS, "The picture has 4294967295x2 pixels",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  static const uint8_t pixel[3] = {};
                  r.image = pixel;
                  r.image_width = UINT32_MAX;
                  r.image_height = 2;
                  r.image_stride = size_t{3} * UINT32_MAX;
                }},
        Mistake{OVI_SETTINGS, "The audio-negative-prompt is not valid UTF-8 at byte 2",
                [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  r.audio_negative_prompt = "no\x80";
                }},
        Mistake{OVI_FORMAT, "variant.video_latents is 1000, but at most 124",
                [](const fs::path& f, ovi_engine_config&, ovi_request&) {
                  std::ofstream(f / "ovi.json") << R"({"variant": {"video_latents": 1000}})";
                }},
        Mistake{OVI_SETTINGS, "pixels", [](const fs::path&, ovi_engine_config&, ovi_request& r) {
                  r.image_width = r.image_height = 8;
                }}));

TEST(NullArguments, AreSettingsErrors) {
  ovi_error error = new_error();
  ovi_engine* engine = nullptr;
  EXPECT_EQ(ovi_engine_create(nullptr, &engine, &error), OVI_SETTINGS);
  EXPECT_EQ(ovi_engine_plan(nullptr, nullptr, nullptr, nullptr, nullptr, &error), OVI_SETTINGS);
  EXPECT_EQ(ovi_engine_generate(nullptr, nullptr, nullptr, nullptr, nullptr, &error), OVI_SETTINGS);
  ovi_engine_destroy(nullptr);
  ovi_cancel_free(nullptr);
}

// A copy of each preview: its pixels are gone after the call.
struct Previews {
  std::vector<ovi_preview> told;
  std::vector<std::vector<uint8_t>> pixels;

  ovi_callbacks callbacks() {
    ovi_callbacks made{};
    made.size = sizeof made;
    made.user = this;
    made.preview = [](void* user, const ovi_preview* preview) {
      auto* previews = static_cast<Previews*>(user);
      previews->told.push_back(*preview);
      std::vector<uint8_t> rgb;
      for (uint32_t y = 0; y < preview->height; ++y) {
        const uint8_t* row = preview->rgb + y * preview->stride;
        rgb.insert(rgb.end(), row, row + size_t{3} * preview->width);
      }
      previews->pixels.push_back(rgb);
    };
    return made;
  }
};

TEST_F(EngineTest, ShowsWhatTheClipIsAboutToBecome) {
  ovi_engine* engine = open();
  ovi_request request = small_request(5);
  request.preview = 2;
  Previews previews;
  const ovi_callbacks callbacks = previews.callbacks();
  ovi_error error = new_error();
  ASSERT_EQ(ovi_engine_generate(engine, &request, &callbacks, nullptr, nullptr, &error), OVI_OK)
      << error.message;
  ASSERT_EQ(previews.told.size(), 2u);
  for (uint32_t i = 0; i < 2; ++i) {
    const ovi_preview& preview = previews.told[i];
    EXPECT_EQ(preview.size, sizeof(ovi_preview));
    EXPECT_EQ(preview.step, 2 * (i + 1));
    EXPECT_EQ(preview.steps, 5u);
    EXPECT_EQ(preview.frame, 2u);
    EXPECT_EQ(preview.width * 8, 96u);  // text alone: the variant's shape
    EXPECT_EQ(preview.height * 8, 32u);
    EXPECT_GE(preview.stride, 3u * preview.width);
  }
  EXPECT_NE(previews.pixels[0], previews.pixels[1]);
}

// A host of an earlier release knows neither the wish nor who is to hear.
TEST_F(EngineTest, OlderHostsGetNoPreview) {
  ovi_engine* engine = open();
  ovi_request request = small_request(2);
  request.preview = 1;
  request.size = offsetof(ovi_request, preview);
  Previews previews;
  ovi_callbacks callbacks = previews.callbacks();
  ovi_error error = new_error();
  ASSERT_EQ(ovi_engine_generate(engine, &request, &callbacks, nullptr, nullptr, &error), OVI_OK)
      << error.message;
  request.size = sizeof request;
  callbacks.size = offsetof(ovi_callbacks, preview);
  ASSERT_EQ(ovi_engine_generate(engine, &request, &callbacks, nullptr, nullptr, &error), OVI_OK)
      << error.message;
  EXPECT_TRUE(previews.told.empty());
}

}  // namespace
