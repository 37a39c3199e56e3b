// The threads that LibTorch computes on.
// SPDX-License-Identifier: Apache-2.0
#include "runtime/threads.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <latch>
#include <set>
#include <stdexcept>
#include <thread>

#include "../fake_device/fake_device.h"
#include "runtime/device.h"
#include "runtime/error.h"

namespace ovi {
namespace {

using Id = std::thread::id;

Id id_of_work_for(const c10::Device& device) {
  Id id;
  on_lasting_thread(device, [&] { id = std::this_thread::get_id(); });
  return id;
}

TEST(Threads, WaitPolitelyAndStillCompute) {
  wait_politely();
  wait_politely();
  const at::Tensor x = at::randn({1 << 20}, make_generator(c10::kCPU, 1), at::TensorOptions());
  EXPECT_TRUE(x.abs().equal(x.abs()));
}

TEST(LastingThread, IsTheCallersOnACpu) {
  EXPECT_EQ(id_of_work_for(c10::kCPU), std::this_thread::get_id());
}

TEST(LastingThread, IsTheSameForCallersThatComeAndGo) {
  const c10::Device device = test::fake::device();
  std::set<Id> lasting;
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      lasting.insert(id_of_work_for(device));
      EXPECT_FALSE(lasting.contains(std::this_thread::get_id()));
    }).join();
  }
  EXPECT_EQ(lasting.size(), 1u);
}

TEST(LastingThread, IsAnotherForWhatRunsAtTheSameTime) {
  const c10::Device device = test::fake::device();
  Id ids[2];
  std::latch both(2);
  std::thread callers[2];
  for (int i = 0; i < 2; ++i) {
    callers[i] = std::thread([&, i] {
      on_lasting_thread(device, [&] {
        ids[i] = std::this_thread::get_id();
        both.arrive_and_wait();
      });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_NE(ids[0], ids[1]);
  const std::set<Id> lasting(ids, ids + 2);
  EXPECT_TRUE(lasting.contains(id_of_work_for(device)));
}

TEST(LastingThread, ThrowsWhatItsWorkThrowsAndGoesOn) {
  const c10::Device device = test::fake::device();
  const Id before = id_of_work_for(device);
  try {
    on_lasting_thread(device, [] { throw Error(ErrorKind::kRead, "It is damaged."); });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRead);
    EXPECT_STREQ(error.what(), "It is damaged.");
  }
  EXPECT_THROW(on_lasting_thread(device, [] { throw std::runtime_error("other"); }),
               std::runtime_error);
  EXPECT_EQ(id_of_work_for(device), before);
}

TEST(LastingThread, LeavesSignalsToTheApplication) {
  sigset_t blocked;
  sigemptyset(&blocked);
  on_lasting_thread(test::fake::device(), [&] { pthread_sigmask(SIG_BLOCK, nullptr, &blocked); });
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1}) {
    EXPECT_EQ(sigismember(&blocked, signal), 1) << signal;
  }
}

}  // namespace
}  // namespace ovi
