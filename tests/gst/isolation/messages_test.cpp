// Whatever a worker says: an error or a clip that fits its plan, in bounded time, and nothing is
// left. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "clip/preview_picture.h"
#include "isolation/engine_messages.h"
#include "isolation/isolated_engine.h"

namespace ovii2v {
namespace {

constexpr Patience kShort{std::chrono::milliseconds(1500), std::chrono::milliseconds(1500),
                          std::chrono::milliseconds(200)};

struct Taken {
  const Engine* engine;
  int frames = 0, warnings = 0;
  size_t samples = 0;
  uint64_t sum = 0;
};

/// What the bytes are is read: they have to be there.
template <typename Piece>
void take(void* user, const Piece* piece) {
  auto* taken = static_cast<Taken*>(user);
  const auto* bytes = static_cast<const uint8_t*>(static_cast<const void*>(piece->data));
  for (size_t i = 0; i < piece->bytes; ++i) taken->sum += bytes[i];
  taken->engine->buffer_release(piece->owner);
}

struct Ended {
  ovi_status status = OVI_OK;
  std::string message;
  int frames = 0;
};

/// One clip by a worker that is as `mode` says.
Ended make_clip(const std::string& mode) {
  setenv("OVI_FAKE_WORKER", mode.c_str(), 1);
  WorkerError wrong;
  const auto isolated = IsolatedEngine::open(wrong, kShort, std::getenv("FAKE_WORKER"));
  if (!isolated) return {wrong.status, wrong.message};
  const Engine& engine = isolated->table();
  Taken taken{&engine};
  ovi_error error{};
  error.size = sizeof error;
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = "/model";
  ovi_engine* handle = nullptr;
  ovi_cancel* cancel = engine.cancel_new();
  ovi_status status = engine.create(&config, &handle, &error);
  ovi_request request{};
  request.size = sizeof request;
  request.prompt = "A cat.";
  request.steps = 2;
  request.preview = mode != "preview-unasked";
  if (status == OVI_OK) {
    ovi_plan plan{};
    plan.size = sizeof plan;
    status = engine.plan(
        handle, &request, &plan,
        [](void* user, const ovi_warning*) { ++static_cast<Taken*>(user)->warnings; }, &taken,
        &error);
    if (status == OVI_OK) {
      EXPECT_LE(plan.frames, 1'000'000u);
      EXPECT_GE(plan.frames, 1u);
    }
  }
  if (status == OVI_OK) {
    ovi_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.user = &taken;
    callbacks.audio = take<ovi_audio>;
    callbacks.video = [](void* user, const ovi_video_frame* frame) {
      ++static_cast<Taken*>(user)->frames;
      take(user, frame);
    };
    callbacks.note = [](void*, const char* note) {
      for (; *note; ++note) EXPECT_NE(*note, '\033');
    };
    callbacks.preview = [](void*, const ovi_preview* preview) {
      for (uint32_t y = 0; y < preview->height; ++y)
        for (uint32_t x = 0; x < 3 * preview->width; ++x)
          EXPECT_EQ(preview->rgb[y * preview->stride + x], 42);
    };
    // It never ends by itself.
    if (mode == "endless-notes") engine.cancel_trigger(cancel);
    ovi_stats stats{};
    stats.size = sizeof stats;
    status = engine.generate(handle, &request, &callbacks, cancel, &stats, &error);
  }
  engine.cancel_free(cancel);
  engine.destroy(handle);
  EXPECT_LE(taken.warnings, 100);
  return {status, error.message, taken.frames};
}

void check_no_child() { EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1); }

TEST(WorkerMessages, AnHonestOneIsBelieved) {
  const Ended ended = make_clip("");
  EXPECT_EQ(ended.status, OVI_OK) << ended.message;
  EXPECT_EQ(ended.frames, 3);
  check_no_child();
}

TEST(WorkerMessages, LorasComeAsTheyWere) {
  const ovi_lora loras[] = {{sizeof(ovi_lora), "/a, b:\\ \xff", -0.5}, {sizeof(ovi_lora), "b", 10}};
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = "/model";
  config.loras = loras;
  config.lora_count = 2;
  config.devices = "cuda:0,cuda:1";
  const std::string body = body_of(wire::Config(config));
  wire::Config read_again;
  ASSERT_TRUE(wire::read(body, read_again));
  std::vector<ovi_lora> given;
  const ovi_engine_config again = read_again.give(given);
  EXPECT_STREQ(again.devices, "cuda:0,cuda:1");
  ASSERT_EQ(again.lora_count, 2u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_STREQ(again.loras[i].path, loras[i].path);
    EXPECT_EQ(again.loras[i].strength, loras[i].strength);
    EXPECT_EQ(again.loras[i].size, sizeof(ovi_lora));
  }
  for (size_t size = 0; size < body.size(); ++size) {
    wire::Config cut;
    EXPECT_FALSE(wire::read(body.substr(0, size), cut)) << size;
  }
}

TEST(WorkerMessages, LorasThatCannotBeAreNotRead) {
  const auto readable = [](const std::vector<wire::Config::Lora>& loras) {
    wire::Config config, read_again;
    config.loras = loras;
    return wire::read(body_of(config), read_again);
  };
  EXPECT_TRUE(readable(std::vector<wire::Config::Lora>(wire::kMostLoras, {"a", 1})));
  EXPECT_FALSE(readable(std::vector<wire::Config::Lora>(wire::kMostLoras + 1, {"a", 1})));
  EXPECT_TRUE(readable({{std::string(wire::kMostText, 'a'), 1}}));
  EXPECT_FALSE(readable({{std::string(wire::kMostText + 1, 'a'), 1}}));
  EXPECT_FALSE(readable({{std::string("a\0b", 3), 1}}));
  for (const double strength : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e300})
    EXPECT_FALSE(readable({{"a", strength}})) << strength;
  // More of them are announced than come: no memory is taken for those.
  std::string body = body_of(wire::Config());
  const uint32_t many = 0xFFFFFFFFu;
  body.replace(body.size() - sizeof many, sizeof many, reinterpret_cast<const char*>(&many),
               sizeof many);
  wire::Config announced;
  EXPECT_FALSE(wire::read(body, announced));
  // Of a caller who counts what is not there.
  ovi_engine_config none{};
  none.lora_count = 3;
  EXPECT_TRUE(wire::Config(none).loras.empty());
}

TEST(WorkerMessages, OnlyPicturesAreSent) {
  const std::vector<uint8_t> rgb(64);
  const ovi_preview good{sizeof(ovi_preview), 1, 2, 1, 4, 2, 16, rgb.data()};
  EXPECT_TRUE(is_picture(good));
  for (const auto& spoil : std::vector<void (*)(ovi_preview&)>{
           [](ovi_preview& one) { one.rgb = nullptr; }, [](ovi_preview& one) { one.width = 0; },
           [](ovi_preview& one) { one.height = 0; }, [](ovi_preview& one) { one.stride = 11; },
           [](ovi_preview& one) { one.height = 8193; },
           [](ovi_preview& one) { one.width = 8193, one.stride = size_t{3} * 8193; }}) {
    ovi_preview bad = good;
    spoil(bad);
    EXPECT_FALSE(is_picture(bad));
  }
}

TEST(WorkerMessages, WhatMakesNoSenseIsAnError) {
  for (const char* mode : {"garbage",
                           "endless-message",
                           "bad-text",
                           "not-a-hello",
                           "plan-without-frames",
                           "plan-of-a-thousand-years",
                           "plan-too-wide",
                           "plan-of-no-variant",
                           "plan-with-control-characters",
                           "plan-cut",
                           "plan-with-more",
                           "status-of-no-kind",
                           "frame-without-a-clip",
                           "endless-warnings",
                           "progress-of-no-stage",
                           "progress-beyond-its-end",
                           "progress-no-number",
                           "message-of-no-kind",
                           "preview-too-wide",
                           "preview-of-nothing",
                           "preview-beyond-the-clip",
                           "preview-after-the-last-step",
                           "preview-too-high",
                           "preview-before-the-first-step",
                           "preview-of-endless-steps",
                           "preview-cut",
                           "preview-with-more",
                           "preview-unasked",
                           "preview-too-short",
                           "preview-too-long",
                           "preview-that-may-change",
                           "preview-that-may-shrink",
                           "preview-without-memory",
                           "previews-without-end",
                           "audio-too-much",
                           "audio-without-memory",
                           "frame-beyond-the-clip",
                           "frame-of-many-planes",
                           "frame-plane-outside",
                           "frame-plane-turned",
                           "frame-too-large",
                           "frame-of-nothing",
                           "two-descriptors",
                           "frame-a-file",
                           "frame-a-pipe",
                           "frame-a-hole",
                           "frame-too-short",
                           "frame-too-long",
                           "frame-that-may-shrink",
                           "frame-that-may-change",
                           "frame-without-memory",
                           "stats-no-number",
                           "stats-without-end",
                           "answer-with-memory",
                           "cancelled-by-nobody",
                           "clip-without-frames",
                           "clip-without-sound",
                           "clip-with-more-sound"}) {
    const Ended ended = make_clip(mode);
    EXPECT_EQ(ended.status, kWorkerDied) << mode << ": " << ended.message;
    EXPECT_NE(ended.message.find("makes no sense"), std::string::npos) << mode << ended.message;
    check_no_child();
  }
}

TEST(WorkerMessages, AnotherReleaseIsNamed) {
  for (const char* mode : {"other-release", "other-protocol", "other-interface"}) {
    const Ended ended = make_clip(mode);
    EXPECT_EQ(ended.status, OVI_LIBRARY_INIT) << mode;
    EXPECT_NE(ended.message.find("is of another release ("), std::string::npos) << ended.message;
    check_no_child();
  }
}

TEST(WorkerMessages, OneThatSaysNothingIsWaitedForAWhile) {
  for (const char* mode : {"silent", "half-a-head", "silent-create", "silent-plan"}) {
    const auto begin = std::chrono::steady_clock::now();
    const Ended ended = make_clip(mode);
    EXPECT_EQ(ended.status, kWorkerDied) << mode;
    EXPECT_NE(ended.message.find("does not answer"), std::string::npos) << ended.message;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
    check_no_child();
  }
  EXPECT_NE(make_clip("half-a-head-and-gone").message.find("ended by itself (status 0)"),
            std::string::npos);
}

TEST(WorkerMessages, ACancelEndsOneThatTalksOn) {
  EXPECT_EQ(make_clip("endless-notes").status, OVI_CANCELLED);
  check_no_child();
}

/// An answer too many is found out when the next thing is asked.
TEST(WorkerMessages, TwoAnswersAreOne) {
  EXPECT_EQ(make_clip("two-answers").status, OVI_OK);
  check_no_child();
}

TEST(WorkerMessages, NoBitBringsItDown) {
  for (int seed = 0; seed < 400; ++seed) {
    const Ended ended = make_clip("flip:" + std::to_string(seed));
    EXPECT_NE(ended.status, OVI_CANCELLED) << seed;  // nobody did
    EXPECT_TRUE(ended.status != OVI_OK || ended.frames == 3) << seed;
    if (HasFailure()) break;
  }
  check_no_child();
}

}  // namespace
}  // namespace ovii2v
