// SPDX-License-Identifier: Apache-2.0
#include "runtime/device.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "runtime/cancel.h"
#include "runtime/error.h"
#include "runtime/threads.h"
#include "runtime/turn.h"

namespace ovi {
namespace {

TEST(Device, SaysWhatItDoesNotKnowOrHave) {
  EXPECT_TRUE(find_device("cpu").is_cpu());
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "CPU"}) {
    try {
      find_device(name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kSettings) << name;
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
  }
  EXPECT_EQ(dtype_of(Precision::kAuto, c10::kCPU), at::kFloat);
  EXPECT_EQ(dtype_of(Precision::kBf16, c10::kCPU), at::kBFloat16);
  // More than any machine has.
  EXPECT_THROW(find_device("cuda:127"), Error);
}

TEST(Device, SeedsItsGenerators) {
  const auto draw = [](uint64_t seed) {
    return at::randn({16}, make_generator(c10::kCPU, seed), at::TensorOptions());
  };
  EXPECT_TRUE(draw(3).equal(draw(3)));
  EXPECT_FALSE(draw(3).equal(draw(4)));
}

TEST(Device, MeasuresThePeakOfTheProcess) {
  const uint64_t before = peak_host_bytes();
  EXPECT_GT(before, uint64_t{10} << 20);
  const at::Tensor block = at::empty({int64_t{256} << 20}, at::TensorOptions().dtype(at::kByte));
  block.fill_(1);
  EXPECT_GE(peak_host_bytes(), before);
  EXPECT_GE(peak_host_bytes(), uint64_t{256} << 20);
  EXPECT_EQ(peak_device_bytes(c10::kCPU), 0u);
}

TEST(Cancel, StaysUntilItIsReset) {
  Cancel cancel;
  EXPECT_NO_THROW(cancel.check());
  cancel.trigger();
  for (int i = 0; i < 2; ++i) {
    try {
      cancel.check();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
  cancel.reset();
  EXPECT_NO_THROW(cancel.check());
}

TEST(Threads, WaitPolitelyAndStillCompute) {
  wait_politely();
  wait_politely();
  const at::Tensor x = at::randn({1 << 20}, make_generator(c10::kCPU, 1), at::TensorOptions());
  EXPECT_TRUE(x.abs().equal(x.abs()));
}

TEST(Turn, IsHeldByOneAtATime) {
  Turn turn;
  int inside = 0, rounds = 0;  // guarded by the turn
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const Turn::Holder mine(turn, nullptr);
        EXPECT_EQ(++inside, 1);
        ++rounds;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(rounds, 200);
}

TEST(Turn, LetsACancelledOneGoAndTheNextOneIn) {
  Turn turn;
  Cancel cancel;
  bool reached = false;
  {
    const Turn::Holder first(turn, nullptr);
    std::thread waiting([&] { EXPECT_THROW(Turn::Holder(turn, &cancel), Error); });
    cancel.trigger();
    waiting.join();
  }
  std::thread next([&] {
    const Turn::Holder mine(turn, nullptr);
    reached = true;
  });
  next.join();
  EXPECT_TRUE(reached);
}

}  // namespace
}  // namespace ovi
