// Ranks that fail, are cancelled or fall silent take the others out, with one error that says who.
// SPDX-License-Identifier: Apache-2.0
#include "parallel/agreement.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <iterator>

#include "thread_ranks.h"

namespace ovi::parallel {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// All but one rank wait in a collective that the one never comes to.
void gather(Group& group) {
  at::Tensor all = at::empty({group.size(), 1000});
  group.all_gather(all, at::zeros({1000}));
}

TEST(Agreement, OneThatFailsTakesTheOthersOut) {
  for (const int64_t size : {2, 3}) {
    const auto begin = Clock::now();
    const auto thrown = in_group(size, [](Group& group, Agreement& agreement) {
      gather(group);
      if (group.rank() == 1) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));  // they wait by then
        throw agreement.fail(Error(ErrorKind::kNoSpace, "Out of device memory."));
      }
      try {
        gather(group);
        ADD_FAILURE() << "rank 1 did not come, and nobody said so";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
        throw;
      }
    });
    EXPECT_LT(seconds_since(begin), 3.0);
    EXPECT_EQ(thrown, std::vector<std::string>(size, "Rank 1: Out of device memory."));
  }
}

TEST(Agreement, ACancelIsOneForAllAndTheNextRoundWorks) {
  Cancel wished;
  std::atomic<int> cancelled{0};
  const auto thrown = on_ranks(3, [&](const std::shared_ptr<Agreement>& agreement) {
    agreement->begin_round(1, agreement->rank() == 0 ? &wished : nullptr);
    const auto group = join_group(agreement, "1", c10::kCPU);
    const auto begin = Clock::now();
    if (agreement->rank() == 2) wished.trigger();
    while (agreement->rank() == 2 && !agreement->cancel().triggered())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // as between two blocks
    try {
      gather(*group);
      ADD_FAILURE() << "not cancelled";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
      cancelled += 1;
    }
    EXPECT_LT(seconds_since(begin), 1.0);
    agreement->end_round();

    agreement->begin_round(2, nullptr);
    EXPECT_FALSE(agreement->cancel().triggered());
    const auto again = join_group(agreement, "2", c10::kCPU);
    gather(*again);
    agreement->end_round();
  });
  EXPECT_EQ(cancelled, 3);
  EXPECT_EQ(thrown, std::vector<std::string>(3));
}

TEST(Agreement, TheFirstFailureIsTheOneOfAll) {
  std::atomic<int> first{-1};
  const auto thrown = on_ranks(4, [&](const std::shared_ptr<Agreement>& agreement) {
    agreement->begin_round(1, nullptr);
    throw agreement->fail(Error(ErrorKind::kFailed, "It broke.", "detail"));
  });
  EXPECT_NE(thrown[0].find("It broke."), std::string::npos);
  EXPECT_EQ(thrown, std::vector<std::string>(4, thrown[0]));
}

TEST(Agreement, ARankThatIsSilentIsNamed) {
  Patience patience;
  patience.silence = std::chrono::milliseconds(1500);
  const std::shared_ptr<Store> store = process_store();
  const auto begin = Clock::now();
  const auto agreement = std::make_shared<Agreement>(store, 0, 2, patience);
  agreement->all_came({"Rank 0 (cpu)", "Rank 1 (cpu of there)"});
  agreement->begin_round(1, nullptr);
  store->set("beat/1", "1");  // and never again
  try {
    // Its connection never comes either.
    join_group(agreement, "1", c10::kCPU);
    ADD_FAILURE() << "there is no rank 1";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Rank 1 (cpu of there) has said nothing for 2 s"),
              std::string::npos)
        << error.what();
  }
  EXPECT_LT(seconds_since(begin), 4.0);
  agreement->end_round();
  // It does not come back.
  agreement->begin_round(2, nullptr);
  EXPECT_THROW(agreement->check(), Error);
  EXPECT_TRUE(agreement->cancel().triggered());
}

int64_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

TEST(Agreement, LeavesNoThreadInACollectiveThatFailed) {
  const auto fail_once = [] {
    in_group(2, [](Group& group, Agreement& agreement) {
      if (group.rank() == 0) return gather(group);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      throw agreement.fail(Error(ErrorKind::kFailed, "It broke."));
    });
  };
  fail_once();  // what the first one starts and keeps
  const int64_t before = threads_of_this_process();
  for (int i = 0; i < 3; ++i) fail_once();
  const auto begin = Clock::now();
  while (threads_of_this_process() > before && seconds_since(begin) < 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LE(threads_of_this_process(), before);
}

TEST(Agreement, CallsOnceWhenTheRoundFails) {
  const std::shared_ptr<Store> store = process_store();
  Agreement agreement(store, 0, 1);
  agreement.begin_round(1, nullptr);
  int kept = 0, dropped = 0;
  const auto ticket = agreement.on_failure([&] { ++kept; });
  agreement.on_failure([&] { ++dropped; });
  agreement.fail(Error(ErrorKind::kFailed, "First."));
  agreement.fail(Error(ErrorKind::kFailed, "Second."));
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(dropped, 0);
  agreement.on_failure([&] { ++dropped; });  // it has failed already
  EXPECT_EQ(dropped, 1);
}

}  // namespace
}  // namespace ovi::parallel
