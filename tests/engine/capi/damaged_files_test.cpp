// Files of a model that are cut short while they are in use, or hold what is no number: a status
// and a message with the file's name through the door, and a clip once they are whole again.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "ovi/engine.h"
#include "small_request.h"

namespace {

namespace fs = std::filesystem;

constexpr const char* kFusion = "Ovi/model.safetensors";
constexpr const char* kText = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
constexpr const char* kVideo = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
constexpr const char* kAudio = "MMAudio/ext_weights/v1-16.pth";
constexpr const char* kVocoder = "MMAudio/ext_weights/best_netG.pt";
constexpr const char* kPieces = "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model";
constexpr const char* kTokens = "Wan2.2-TI2V-5B/google/umt5-xxl/tokenizer.json";
constexpr uintmax_t kShort = 5000;  // bytes that a cut file keeps

/// A copy of the tiny model with clips of a few frames, and an engine for it.
class DamagedFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "ovi-files-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::copy(tiny(), folder_, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
    std::ofstream(folder_ / "ovi.json")
        << R"({"variant": {"name": "720x720_5s", "area": 4096, "video_latents": 3,)"
           R"( "audio_latents": 8}, "fusion": {"num_heads": 2}})";
    request_.image = pixels_.data();
    request_.image_width = request_.image_height = 64;
    request_.image_stride = 3 * 64;
  }
  void TearDown() override {
    close();
    fs::remove_all(folder_);
  }

  static fs::path tiny() { return fs::path(std::getenv("OVI_TEST_DATA")) / "models" / "tiny"; }
  std::string path(const char* file) const { return (folder_ / file).string(); }
  void cut(const char* file) const { fs::resize_file(path(file), kShort); }
  /// In place, as whoever has it mapped sees it.
  void put_back(const char* file) const {
    std::ifstream from(tiny() / file, std::ios::binary);
    std::ofstream(path(file), std::ios::binary | std::ios::trunc) << from.rdbuf();
  }

  ovi_status open() {
    const std::string model = folder_.string();
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = model.c_str();
    config.device = "cpu";
    return ovi_engine_create(&config, &engine_, &error_);
  }
  void close() {
    ovi_engine_destroy(engine_);
    engine_ = nullptr;
  }
  ovi_status plan() {
    ovi_plan plan{};
    plan.size = sizeof plan;
    return ovi_engine_plan(
        engine_, &request_, &plan, [](void*, const ovi_warning*) {}, nullptr, &error_);
  }
  /// Cuts `file` when `stage` begins; none: nullptr.
  ovi_status generate(const char* file = nullptr, ovi_stage stage = OVI_STAGE_LOAD) {
    struct Host {
      DamagedFiles* test;
      const char* file;
      ovi_stage stage;
      int frames = 0;
    } host{this, file, stage};
    ovi_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.user = &host;
    callbacks.progress = [](void* user, const ovi_progress* progress) {
      auto* host = static_cast<Host*>(user);
      if (!host->file || progress->stage != host->stage) return;
      host->test->cut(host->file);
      host->file = nullptr;
    };
    callbacks.video = [](void* user, const ovi_video_frame* frame) {
      ++static_cast<Host*>(user)->frames;
      ovi_buffer_release(frame->owner);
    };
    const ovi_status status =
        ovi_engine_generate(engine_, &request_, &callbacks, nullptr, nullptr, &error_);
    EXPECT_EQ(status == OVI_OK, host.frames == 9) << host.frames << " frames";
    return status;
  }
  void expect_named(const std::string& part) const {
    EXPECT_NE(std::string(error_.message).find(part), std::string::npos)
        << "no " << part << " in: " << error_.message;
  }

  fs::path folder_;
  ovi_engine* engine_ = nullptr;
  ovi_error error_{sizeof error_, OVI_OK, "", ""};
  ovi_request request_ = small_request();
  std::vector<uint8_t> pixels_ = std::vector<uint8_t>(64 * 64 * 3, 90);
};

struct Cut {
  const char* file;
  ovi_stage stage;  // when it is in use, and not read to its end
};

class CutInUse : public DamagedFiles, public testing::WithParamInterface<Cut> {};

TEST_P(CutInUse, IsAReadErrorThatNamesTheFile) {
  const auto [file, stage] = GetParam();
  ASSERT_EQ(open(), OVI_OK) << error_.message;
  EXPECT_EQ(generate(file, stage), OVI_READ) << error_.message;
  expect_named(path(file));
  EXPECT_EQ(generate(), OVI_READ) << error_.message;  // it still is
  expect_named(path(file));
  put_back(file);
  EXPECT_EQ(generate(), OVI_OK) << error_.message;
}

INSTANTIATE_TEST_SUITE_P(All, CutInUse,
                         testing::Values(Cut{kText, OVI_STAGE_ENCODE},
                                         Cut{kVideo, OVI_STAGE_GENERATE},
                                         Cut{kFusion, OVI_STAGE_ENCODE},
                                         Cut{kAudio, OVI_STAGE_GENERATE},
                                         Cut{kVocoder, OVI_STAGE_GENERATE}));

// Of those that are read once.
TEST_F(DamagedFiles, OfTheTokeniserAreNamedAndReadAgain) {
  for (const char* file : {kPieces, kTokens}) {
    ASSERT_EQ(open(), OVI_OK) << error_.message;
    cut(file);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(plan(), OVI_FORMAT) << error_.message;
      expect_named(path(file));
      EXPECT_EQ(generate(), OVI_FORMAT) << error_.message;
      expect_named(path(file));
    }
    put_back(file);
    EXPECT_EQ(plan(), OVI_OK) << error_.message;
    EXPECT_EQ(generate(), OVI_OK) << error_.message;
    close();
  }
}

// Whatever another program does to a file while it is read: an error of that file, or none.
TEST_F(DamagedFiles, MayChangeWhileTheyAreRead) {
  for (const char* file : {kPieces, kTokens, kFusion, kText}) {
    std::atomic<bool> done{false};
    std::thread other([&] {
      while (!done) {
        cut(file);
        put_back(file);
      }
    });
    for (int i = 0; i < 20; ++i) {
      if (open() == OVI_OK) {
        const ovi_status status = i % 4 == 0 ? generate() : plan();
        EXPECT_TRUE(status == OVI_OK || status == OVI_READ || status == OVI_FORMAT)
            << status << ": " << error_.message;
        if (status != OVI_OK) expect_named(fs::path(file).parent_path().string());
      }
      close();
    }
    done = true;
    other.join();
    put_back(file);
    ASSERT_EQ(open(), OVI_OK) << error_.message;
    EXPECT_EQ(plan(), OVI_OK) << error_.message;
    EXPECT_EQ(generate(), OVI_OK) << error_.message;
    close();
  }
}

// Of a query's weights: what comes out of the attention need not show it.
TEST_F(DamagedFiles, ThatHoldNoNumberNameTheTensor) {
  const std::string tensor = "video_model.blocks.0.self_attn.q.weight";
  std::ifstream in(path(kFusion), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string offsets = "\"data_offsets\":[";
  const size_t found = bytes.find(offsets, bytes.find('"' + tensor + '"'));
  ASSERT_NE(found, std::string::npos);
  const size_t at =
      sizeof header + header + std::strtoull(&bytes[found + offsets.size()], nullptr, 10);
  const uint32_t nan = 0x7FC00000;
  std::memcpy(&bytes[at], &nan, sizeof nan);
  std::ofstream(path(kFusion), std::ios::binary | std::ios::trunc) << bytes;

  ASSERT_EQ(open(), OVI_OK) << error_.message;
  EXPECT_EQ(plan(), OVI_OK) << error_.message;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(generate(), OVI_FORMAT) << error_.message;
    expect_named("'" + tensor + "' of '" + path(kFusion) + "', which the denoising needs");
  }
  put_back(kFusion);
  EXPECT_EQ(generate(), OVI_OK) << error_.message;
}

}  // namespace
