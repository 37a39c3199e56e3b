// ovi/convert.h, and what ovi/inspect.h says of time, through the library itself.
// SPDX-License-Identifier: Apache-2.0
#include "ovi/convert.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "ovi/inspect.h"

namespace {

namespace fs = std::filesystem;

std::string tiny() { return std::string(std::getenv("OVI_TEST_DATA")) + "/models/tiny"; }

class ConversionDoor : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ovi-convert-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    target_ = folder_ / "new";
    model_ = tiny();
    wanted_.size = sizeof wanted_;
    wanted_.model_path = model_.c_str();
    wanted_.target_path = target_.c_str();
    error_.size = sizeof error_;
    to_.size = sizeof to_;
    to_.user = this;
  }
  void TearDown() override { fs::remove_all(folder_); }

 public:  // for the callbacks
  fs::path folder_, target_;
  std::string model_;
  std::vector<std::string> files_;
  uint64_t done_ = 0, total_ = 0;
  ovi_conversion wanted_{};
  ovi_conversion_callbacks to_{};
  ovi_error error_{};
};

TEST_F(ConversionDoor, TellsFilesAndProgressAndVerifies) {
  to_.file = [](void* user, const ovi_converted_file* file) {
    EXPECT_EQ(std::strlen(file->sha256), 64u);
    EXPECT_EQ(fs::file_size(file->path), file->bytes);
    static_cast<ConversionDoor*>(user)->files_.push_back(file->source ? file->source : "");
  };
  to_.progress = [](void* user, const ovi_conversion_progress* progress) {
    auto* test = static_cast<ConversionDoor*>(user);
    EXPECT_GE(progress->done, test->done_);
    test->done_ = progress->done;
    test->total_ = progress->total;
  };
  ASSERT_EQ(ovi_engine_convert(&wanted_, &to_, nullptr, &error_), OVI_OK) << error_.message;
  EXPECT_EQ(done_, total_);
  EXPECT_EQ(files_.size(), 10u);
  EXPECT_EQ(files_.front(), model_ + "/Ovi/model.safetensors");
  done_ = 0;
  EXPECT_EQ(ovi_engine_verify(target_.c_str(), &to_, nullptr, &error_), OVI_OK) << error_.message;
  EXPECT_EQ(files_.size(), 20u);
  EXPECT_EQ(ovi_engine_convert(&wanted_, nullptr, nullptr, &error_), OVI_SETTINGS);
  EXPECT_NE(std::strstr(error_.message, "not empty"), nullptr) << error_.message;
}

TEST_F(ConversionDoor, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ovi_engine_convert(nullptr, nullptr, nullptr, &error_), OVI_SETTINGS);
  EXPECT_EQ(ovi_engine_verify(nullptr, nullptr, nullptr, &error_), OVI_SETTINGS);
  const int number = 77;
  std::memcpy(&wanted_.weights, &number, sizeof number);
  EXPECT_EQ(ovi_engine_convert(&wanted_, nullptr, nullptr, &error_), OVI_SETTINGS);
  wanted_.weights = OVI_WEIGHTS_FP8;
  std::memcpy(&wanted_.factors, &number, sizeof number);
  EXPECT_EQ(ovi_engine_convert(&wanted_, nullptr, nullptr, &error_), OVI_SETTINGS);
  EXPECT_FALSE(fs::exists(target_));
}

TEST_F(ConversionDoor, ACancelThatWasTriggeredLeavesNothing) {
  ovi_cancel* cancel = ovi_cancel_new();
  ovi_cancel_trigger(cancel);
  EXPECT_EQ(ovi_engine_convert(&wanted_, nullptr, cancel, &error_), OVI_CANCELLED);
  EXPECT_TRUE(fs::is_empty(folder_));
  ovi_cancel_free(cancel);
}

TEST(Estimate, GrowsWithTheStepsAndWithGuidance) {
  const std::string model = tiny();
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = model.c_str();
  config.device = "cpu";
  ovi_request request{};
  request.size = sizeof request;
  request.steps = 1000;
  request.shift = 5;
  request.video_guidance_scale = 4;
  request.audio_guidance_scale = 3;
  ovi_error error{};
  error.size = sizeof error;
  const auto estimate = [&] {
    ovi_time_estimate told{};
    told.size = sizeof told;
    EXPECT_EQ(ovi_engine_estimate(&config, &request, nullptr, &told, &error), OVI_OK)
        << error.message;
    return told;
  };
  const ovi_time_estimate many = estimate();
  EXPECT_EQ(many.steps, 1000u);
  EXPECT_EQ(many.image_seconds, 0);  // there is none
  EXPECT_GT(many.denoise_seconds, 0);
  EXPECT_GT(many.probe_seconds, 0);
  request.steps = 10;
  request.video_guidance_scale = request.audio_guidance_scale = 1;
  EXPECT_LT(estimate().denoise_seconds, many.denoise_seconds / 20);
  request.steps = 0;
  ovi_time_estimate none{};
  none.size = sizeof none;
  EXPECT_EQ(ovi_engine_estimate(&config, &request, nullptr, &none, &error), OVI_SETTINGS);
  EXPECT_EQ(ovi_engine_estimate(nullptr, &request, nullptr, &none, &error), OVI_SETTINGS);
}

}  // namespace
