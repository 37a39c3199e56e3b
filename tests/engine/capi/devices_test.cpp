// One clip on several devices of one process, through the C interface.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>

#include "clip_pixels.h"
#include "small_clip.h"

namespace ovi {
namespace {

using Clock = std::chrono::steady_clock;

ovi_error fresh_error() {
  ovi_error error{};
  error.size = sizeof error;
  return error;
}

class Devices : public ::testing::Test {
 protected:
  ovi_engine_config config(const char* devices) const {
    ovi_engine_config made{};
    made.size = sizeof made;
    made.model_path = model_.c_str();
    made.device = "cpu";
    made.devices = devices;
    return made;
  }
  ovi_engine* open(const char* devices) const {
    ovi_engine* engine = nullptr;
    ovi_error error = fresh_error();
    const ovi_engine_config wished = config(devices);
    EXPECT_EQ(ovi_engine_create(&wished, &engine, &error), OVI_OK) << error.message;
    return engine;
  }
  std::string refused(const ovi_engine_config& wished, ovi_status status) const {
    ovi_engine* engine = nullptr;
    ovi_error error = fresh_error();
    EXPECT_EQ(ovi_engine_create(&wished, &engine, &error), status) << error.message;
    EXPECT_EQ(engine, nullptr);
    return error.message;
  }
  ovi_status make(ovi_engine* engine, ClipPixels& clip, ovi_cancel* cancel = nullptr,
                  std::string* why = nullptr) {
    ovi_error error = fresh_error();
    const ovi_callbacks callbacks = clip.callbacks();
    ovi_request request = small_.request;
    request.steps = steps_;
    request.pixel_format = OVI_PIXELS_RGB;
    const ovi_status status =
        ovi_engine_generate(engine, &request, &callbacks, cancel, nullptr, &error);
    if (why) *why = error.message;
    return status;
  }

  SmallClip small_;
  const std::string model_ = small_.model();
  uint32_t steps_ = 2;
};

TEST_F(Devices, TogetherMakeTheClipOfOne) {
  ClipPixels alone;
  ovi_engine* one = open("");
  ASSERT_EQ(make(one, alone), OVI_OK);
  ovi_engine_destroy(one);
  for (const char* devices : {"cpu", "cpu,cpu", "cpu, cpu, cpu"}) {
    ovi_engine* engine = open(devices);
    ASSERT_NE(engine, nullptr);
    for (int again = 0; again < 2; ++again) {
      ClipPixels together;
      std::string why;
      ASSERT_EQ(make(engine, together, nullptr, &why), OVI_OK) << why;
      const int levels = difference(alone, together);
      EXPECT_TRUE(levels == 0 || levels == 1) << devices << ": " << levels;
      bool told = false;
      for (const std::string& note : together.notes)
        told = told || note.find("Sent to other ranks: ") == 0;
      EXPECT_EQ(told, std::string(devices) != "cpu");
    }
    ovi_engine_destroy(engine);
  }
}

TEST_F(Devices, ACancelInTheMidstIsACancelAndTheNextClipIsWhole) {
  ovi_engine* engine = open("cpu,cpu");
  ovi_cancel* cancel = ovi_cancel_new();
  steps_ = 50;
  ClipPixels cancelled;
  Clock::time_point at;
  cancelled.on_progress = [&](const ovi_progress& progress) {
    if (progress.stage != OVI_STAGE_GENERATE || progress.done != 1) return;
    at = Clock::now();
    ovi_cancel_trigger(cancel);
  };
  EXPECT_EQ(make(engine, cancelled, cancel), OVI_CANCELLED);
  EXPECT_LT(Clock::now() - at, std::chrono::seconds(5));
  EXPECT_TRUE(cancelled.frames.empty());
  ovi_cancel_reset(cancel);
  steps_ = 1;
  ClipPixels whole;
  std::string why;
  EXPECT_EQ(make(engine, whole, cancel, &why), OVI_OK) << why;
  EXPECT_FALSE(whole.frames.empty());
  ovi_cancel_free(cancel);
  ovi_engine_destroy(engine);
}

TEST_F(Devices, EnginesOfTheSameOnesShareThem) {
  ovi_engine* first = open("cpu,cpu");
  ovi_engine* second = open("cpu,cpu");
  ClipPixels one, other;
  EXPECT_EQ(make(first, one), OVI_OK);
  ovi_engine_destroy(first);
  std::string why;
  EXPECT_EQ(make(second, other, nullptr, &why), OVI_OK) << why;
  EXPECT_EQ(difference(one, other), 0);
  ovi_engine_destroy(second);
}

TEST_F(Devices, WhatCannotBeIsAnErrorWithAWayOut) {
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  const std::string five = refused(config("cpu,cpu,cpu,cpu,cpu"), OVI_SETTINGS);
  EXPECT_TRUE(has(five, "are 5 devices") && has(five, "1, 2, 3, 4, 6 or 8")) << five;
  const std::string empty = refused(config("cpu,,cpu"), OVI_SETTINGS);
  EXPECT_TRUE(has(empty, "a name that is empty")) << empty;
  const std::string open_ended = refused(config("auto,auto"), OVI_SETTINGS);
  EXPECT_TRUE(has(open_ended, "Name each")) << open_ended;
  const std::string unknown = refused(config("cpu,tpu"), OVI_SETTINGS);
  EXPECT_TRUE(has(unknown, "Unknown device \"tpu\"")) << unknown;
  const std::string launched = refused(config("ranks"), OVI_SETTINGS);
  EXPECT_TRUE(has(launched, "No launcher has started this process as a rank")) << launched;
  ovi_engine_config nowhere = config("cpu,cpu");
  nowhere.model_path = "/nowhere";
  refused(nowhere, OVI_NOT_FOUND);
  ovi_error error = fresh_error();
  ovi_join_config join{};
  join.size = sizeof join;
  EXPECT_EQ(ovi_engine_join(&join, nullptr, &error), OVI_SETTINGS);
  EXPECT_TRUE(has(error.message, "No launcher")) << error.message;
}

// Compiled before there were several: what lies behind its struct is not looked at.
TEST_F(Devices, AnOlderCallerHasOne) {
  ovi_engine_config older = config("not to be read");
  older.size = offsetof(ovi_engine_config, devices);
  ovi_engine* engine = nullptr;
  ovi_error error = fresh_error();
  ASSERT_EQ(ovi_engine_create(&older, &engine, &error), OVI_OK) << error.message;
  ovi_engine_destroy(engine);
}

}  // namespace
}  // namespace ovi
