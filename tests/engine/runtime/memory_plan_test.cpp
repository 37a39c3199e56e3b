// The choice of a memory plan, worked out by hand.
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory_plan.h"

#include <gtest/gtest.h>

#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "runtime/error.h"
#include "runtime/tasks.h"

namespace ovi {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

// Near the published model: 36 GiB of weights in all.
std::vector<StageNeeds> stages() {
  return {{"text", 11 * kGiB, 1 * kGiB, 1 * kGiB, 1 * kGiB},
          {"denoise", 22 * kGiB, 2 * kGiB, 3 * kGiB, 2 * kGiB},
          {"video", 3 * kGiB, 3 * kGiB, 2 * kGiB, 2 * kGiB}};
}

TEST(MemoryPlan, NeedsAreSumsAndMaxima) {
  EXPECT_EQ(needed_bytes(Memory::kResident, stages()), 39 * kGiB);
  EXPECT_EQ(needed_bytes(Memory::kOffload, stages()), 25 * kGiB);
  EXPECT_EQ(needed_bytes(Memory::kStream, stages()), 5 * kGiB);
}

TEST(Portions, AreEqualAndLeaveNothingOut) {
  const auto counts = [](int64_t count, int64_t most) {
    std::vector<int64_t> all;
    int64_t next = 0;
    in_portions(count, most, [&](int64_t first, int64_t portion) {
      EXPECT_EQ(first, next);
      next += portion;
      all.push_back(portion);
    });
    EXPECT_EQ(next, count);
    EXPECT_EQ(all.empty() ? 0 : all.front(), portion_of(count, most));
    return all;
  };
  using Counts = std::vector<int64_t>;
  EXPECT_EQ(counts(10, 0), Counts{10});
  EXPECT_EQ(counts(10, 10), Counts{10});
  EXPECT_EQ(counts(10, 9), (Counts{5, 5}));
  EXPECT_EQ(counts(7, 3), (Counts{3, 3, 1}));
  EXPECT_EQ(counts(15004, 4096), (Counts{3751, 3751, 3751, 3751}));  // 704x704, 5 s
  EXPECT_EQ(counts(0, 0), Counts{});
  EXPECT_EQ(counts(0, 4096), Counts{});
  // Of 960x960 in 10 s none is much smaller than the others.
  const Counts longest = counts(61 * 30 * 30, 4096);
  EXPECT_EQ(longest.size(), 14u);
  EXPECT_GE(longest.back(), longest.front() - 14);
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(counts(10, kMost), Counts{10});
  EXPECT_EQ(portion_of(kMost, kMost - 1), kMost / 2 + 1);
}

TEST(Portions, AreOfTheStreamedPlanAlone) {
  for (const Memory memory : {Memory::kResident, Memory::kOffload}) {
    EXPECT_EQ(portions_of(memory).rows, 0);
    EXPECT_EQ(portions_of(memory).strips, 1);
    EXPECT_TRUE(portions_of(memory).keeps_text_keys);
  }
  EXPECT_GT(portions_of(Memory::kStream).rows, 2048);
  EXPECT_GT(portions_of(Memory::kStream).strips, 1);
  EXPECT_FALSE(portions_of(Memory::kStream).keeps_text_keys);
}

Memory chosen(int64_t free, int64_t total, Memory richest = Memory::kResident) {
  return choose_memory(Memory::kAuto, stages(), {free, total}, richest).memory;
}

TEST(MemoryPlan, AutoTakesTheRichestThatFitsWithAMargin) {
  EXPECT_EQ(chosen(79 * kGiB, 80 * kGiB), Memory::kResident);
  EXPECT_EQ(chosen(40 * kGiB, 80 * kGiB), Memory::kResident);  // 39 and 1 to spare
  EXPECT_EQ(chosen(40 * kGiB - 1, 80 * kGiB), Memory::kOffload);
  EXPECT_EQ(chosen(26 * kGiB, 80 * kGiB), Memory::kOffload);
  EXPECT_EQ(chosen(26 * kGiB - 1, 80 * kGiB), Memory::kStream);       // others hold the rest
  EXPECT_EQ(chosen(5 * kGiB + kGiB / 2, 8 * kGiB), Memory::kStream);  // a sixteenth of 8
  EXPECT_THROW(chosen(5 * kGiB + kGiB / 2 - 1, 8 * kGiB), Error);
  EXPECT_EQ(chosen(79 * kGiB, 80 * kGiB, Memory::kOffload), Memory::kOffload);
}

TEST(MemoryPlan, SaysWhy) {
  EXPECT_EQ(choose_memory(Memory::kAuto, stages(), {30 * kGiB, 32 * kGiB}).why,
            "memory=offload: resident needs 39.0 GiB of device memory, this 25.0 GiB; 30.0 GiB are "
            "free.");
  EXPECT_EQ(choose_memory(Memory::kStream, stages(), {30 * kGiB, 32 * kGiB}).why,
            "memory=stream: needs 5.0 GiB; 30.0 GiB are free.");
}

std::string refusal(Memory wished, int64_t free) {
  try {
    choose_memory(wished, stages(), {free, 32 * kGiB});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
    return error.what();
  }
  return "nothing was refused";
}

TEST(MemoryPlan, RanksThatShareAMemoryAddUp) {
  EXPECT_EQ(needed_bytes(Memory::kOffload, std::vector{stages(), stages(), stages()}), 75 * kGiB);
  const auto chosen = [](int64_t free) {
    return choose_host_memory(Memory::kAuto, std::vector{stages(), stages()}, {free, 128 * kGiB});
  };
  EXPECT_EQ(chosen(78 * kGiB).memory, Memory::kResident);
  EXPECT_EQ(chosen(78 * kGiB - 1).memory, Memory::kOffload);
  EXPECT_EQ(chosen(50 * kGiB).needed, 50 * kGiB);
  EXPECT_THROW(chosen(50 * kGiB - 1), Error);
}

TEST(MemoryPlan, AWishIsKeptOrRefusedWithTheWayOut) {
  EXPECT_EQ(choose_memory(Memory::kResident, stages(), {39 * kGiB, 39 * kGiB}).memory,
            Memory::kResident);
  EXPECT_EQ(choose_memory(Memory::kStream, stages(), {80 * kGiB, 80 * kGiB}).memory,
            Memory::kStream);
  EXPECT_EQ(refusal(Memory::kResident, 30 * kGiB),
            "Not enough device memory: memory=resident needs 39936 MiB, 30720 MiB are free. Set "
            "memory=offload, which needs 25600 MiB.");
  EXPECT_EQ(refusal(Memory::kResident, 20 * kGiB),
            "Not enough device memory: memory=resident needs 39936 MiB, 20480 MiB are free. Set "
            "memory=stream, which needs 5120 MiB.");
  EXPECT_EQ(
      refusal(Memory::kAuto, 4 * kGiB),
      "Not enough device memory: memory=stream needs 5120 MiB and 1024 MiB to spare, 4096 MiB "
      "are free. Close what else uses the device, or choose a smaller variant or "
      "precision=fp8.");
}

TEST(MemoryPlan, OnACpuAutoFitsAndAWishIsKept) {
  const auto chosen = [](Memory wished, int64_t free) {
    return choose_host_memory(wished, stages(), {free, free ? 64 * kGiB : 0}).memory;
  };
  EXPECT_EQ(chosen(Memory::kAuto, 39 * kGiB), Memory::kResident);
  EXPECT_EQ(chosen(Memory::kAuto, 39 * kGiB - 1), Memory::kOffload);
  EXPECT_EQ(chosen(Memory::kAuto, 25 * kGiB), Memory::kOffload);
  EXPECT_EQ(chosen(Memory::kAuto, 0), Memory::kResident);  // nobody knows
  EXPECT_EQ(chosen(Memory::kResident, kGiB), Memory::kResident);
  EXPECT_EQ(chosen(Memory::kOffload, kGiB), Memory::kOffload);
  EXPECT_EQ(choose_host_memory(Memory::kAuto, stages(), {30 * kGiB, 64 * kGiB}).why,
            "memory=offload: the weights are in their files between uses. resident needs 39.0 GiB "
            "of host memory, this 25.0 GiB; 30.0 GiB are free.");
  try {
    chosen(Memory::kAuto, 24 * kGiB);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
    EXPECT_STREQ(error.what(),
                 "Not enough host memory: memory=offload needs 25600 MiB, 24576 MiB are free. Set "
                 "precision=bf16, which leaves most weights in their files, close other programs, "
                 "or set memory=offload to try all the same.");
  }
}

TEST(Tasks, RunEachOnceAndTellTheCaller) {
  std::mutex mutex;
  std::multiset<size_t> run, told;
  const auto here = std::this_thread::get_id();
  run_tasks(
      50, 4,
      [&](size_t i) {
        const std::lock_guard<std::mutex> lock(mutex);
        run.insert(i);
      },
      [&](size_t i) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        told.insert(i);
      });
  EXPECT_EQ(run.size(), 50u);
  EXPECT_EQ(run, told);
  EXPECT_EQ(std::set<size_t>(run.begin(), run.end()).size(), 50u);
  run_tasks(0, 4, [](size_t) { FAIL(); });
}

// As many tasks as nobody lives to see the end of: it stops, or the test does not.
constexpr size_t kEndless = std::numeric_limits<size_t>::max();

TEST(Tasks, StopAtTheFirstFailure) {
  const auto failing = [](size_t i) {
    if (i == 3) throw Error(ErrorKind::kRead, "broken");
  };
  EXPECT_THROW(run_tasks(kEndless, 2, failing), Error);
  int told = 0;
  const auto stop = [&](size_t) {
    ++told;
    throw Error(ErrorKind::kCancelled, "stop");
  };
  EXPECT_THROW(run_tasks(
                   kEndless, 2, [](size_t) {}, stop),
               Error);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace ovi
