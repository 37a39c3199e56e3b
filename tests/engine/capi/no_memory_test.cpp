// A process that gets no more memory: every large request of a clip refused in turn is an error
// that says so, and the same engine makes its clip afterwards.
// SPDX-License-Identifier: Apache-2.0
#include "no_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "ovi/engine.h"
#include "small_clip.h"

namespace {

using namespace ovi;

/// One clip on an engine of its own, from opening the model to the last frame.
class NoMemory : public testing::Test {
 protected:
  void TearDown() override { ovi_engine_destroy(engine_); }

  ovi_status open() {
    const std::string path = clip_.model();
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = path.c_str();
    config.device = "cpu";
    return ovi_engine_create(&config, &engine_, &error_);
  }
  ovi_status generate() {
    const ovi_callbacks callbacks = clip_.callbacks();
    return ovi_engine_generate(engine_, &clip_.request, &callbacks, nullptr, nullptr, &error_);
  }
  /// Everything a host does; the engine stays.
  ovi_status make() {
    const ovi_status opened = open();
    return opened == OVI_OK ? generate() : opened;
  }
  void close() {
    ovi_engine_destroy(engine_);
    engine_ = nullptr;
    clip_.drop();
  }

  /// The numbers of requests that are refused: at most `most` of `count`, evenly.
  static std::vector<int64_t> some_of(int64_t count, int64_t most) {
    std::vector<int64_t> numbers;
    const int64_t chosen = std::min(count, most);
    for (int64_t i = 0; i < chosen; ++i) numbers.push_back(1 + i * count / chosen);
    return numbers;
  }

  /// A run that was refused something ended well, or said so; the next one ends well.
  void check_ends(ovi_status status, int64_t number, const char* begin = "Out of host memory") {
    SCOPED_TRACE("refused: request " + std::to_string(number));
    EXPECT_TRUE(status == OVI_OK || status == OVI_NO_SPACE)
        << status << ": " << error_.message << "\n"
        << error_.detail;
    if (status == OVI_NO_SPACE) {
      EXPECT_TRUE(std::string(error_.message).starts_with(begin)) << error_.message;
    }
    clip_.drop();
    if (!engine_) {
      ASSERT_EQ(open(), OVI_OK) << error_.message;
    }
    ASSERT_EQ(generate(), OVI_OK) << error_.message << "\n" << error_.detail;
    EXPECT_EQ(clip_.frames(), clip_.whole_frames());
    close();
  }

  SmallClip clip_;
  ovi_engine* engine_ = nullptr;
  ovi_error error_{sizeof error_, OVI_OK, "", ""};
};

TEST_F(NoMemory, IsAnErrorAtEveryLargeRequestOfAClip) {
  ASSERT_EQ(make(), OVI_OK) << error_.message;  // what is made once in a process
  close();
  no_memory::refuse_memory(0);
  ASSERT_EQ(make(), OVI_OK) << error_.message;
  const int64_t count = no_memory::stop();
  close();
  ASSERT_GT(count, 50) << "they are not counted";

  int64_t told = 0;
  for (const bool all_after : {false, true}) {
    const int64_t most = all_after ? 50 : 300;
    for (const int64_t number : some_of(count, most)) {
      no_memory::refuse_memory(number, all_after);
      const ovi_status status = make();
      no_memory::stop();
      EXPECT_TRUE(no_memory::refused()) << number;
      told += status == OVI_NO_SPACE;
      check_ends(status, number);
      if (HasFatalFailure()) return;
    }
  }
  RecordProperty("requests", std::to_string(count));
  RecordProperty("errors", std::to_string(told));
  EXPECT_GT(told, std::min<int64_t>(count, 300) / 2);
}

// OpenMP makes its threads once for each thread of the host's: each try has one of its own.
// With OMP_NUM_THREADS=3.
TEST_F(NoMemory, IsAnErrorWhereThreadsEnd) {
  int64_t peak = 0;
  std::thread([&] {
    no_memory::refuse_threads(1000);
    EXPECT_EQ(make(), OVI_OK) << error_.message;
    peak = no_memory::stop();
  }).join();
  close();
  ASSERT_GE(peak, 2) << "they are not counted";

  int64_t told = 0;
  for (int64_t most = 0; most < peak; ++most) {
    std::thread([&] {
      no_memory::refuse_threads(most);
      const ovi_status status = make();
      no_memory::stop();
      EXPECT_TRUE(no_memory::refused()) << most;
      told += status == OVI_NO_SPACE;
      check_ends(status, most, "Out of threads: ");
    }).join();
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(told, 0);
}

}  // namespace
