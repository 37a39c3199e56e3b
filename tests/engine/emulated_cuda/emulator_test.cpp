// What the emulated device finds, and that it computes what a GPU would.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "../fake_device/fake_device.h"
#include "emulated_cuda.h"
#include "kernels/cuda_kernels.h"
#include "kernels/kernel_check.h"
#include "kernels/layer_norm.cuh"
#include "runtime/error.h"

namespace {

using emulated_cuda::run;

TEST(EmulatedCuda, RunsEveryThreadOfEveryBlock) {
  std::vector<int> visits(3 * 40);
  EXPECT_EQ(run(3, 40, [&] { ++visits[blockIdx.x * blockDim.x + threadIdx.x]; }), 0);
  EXPECT_EQ(visits, std::vector<int>(3 * 40, 1));
}

TEST(EmulatedCuda, ShufflesWithinWarpsAndWaitsForTheBlock) {
  constexpr int kThreads = 96;
  float of_warp[3], sums[kThreads];
  run(1, kThreads, [&] {
    float value = static_cast<float>(threadIdx.x);
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    if (threadIdx.x % 32 == 5) of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    sums[threadIdx.x] = of_warp[0] + of_warp[1] + of_warp[2];
  });
  EXPECT_TRUE(std::all_of(sums, sums + kThreads, [](float s) { return s == 95 * 96 / 2; }));
}

// Of any two threads one is first, and reads what the other has not yet written.
TEST(EmulatedCuda, ShowsARace) {
  constexpr int kThreads = 64, kRuns = 20;
  int right = 0;
  for (int i = 0; i < kRuns; ++i) {
    int written[kThreads] = {}, seen[kThreads] = {};
    run(1, kThreads, [&] {
      written[threadIdx.x] = 1;
      seen[threadIdx.x] = written[kThreads - 1 - threadIdx.x];
    });
    right += std::accumulate(seen, seen + kThreads, 0) == kThreads;
  }
  EXPECT_EQ(right, 0);
}

TEST(EmulatedCuda, RefusesALaunchThatDoesNotFit) {
  EXPECT_NE(run(1, 2048, [] {}), 0);
  EXPECT_NE(run(0, 32, [] {}), 0);
}

TEST(EmulatedCudaDeath, EndsWhereAGpuWouldHang) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run(1, 64,
                   [] {
                     if (threadIdx.x > 3) __syncthreads();
                   }),
               "of 64 threads 60 wait at __syncthreads, 0 in a shuffle, and 4 have ended");
  EXPECT_DEATH(run(1, 32,
                   [] {
                     if (threadIdx.x != 7) __shfl_xor_sync(0xffffffffu, 1.0f, 1);
                   }),
               "31 in a shuffle, and 1 have ended");
  EXPECT_DEATH(run(1, 32, [] { __shfl_xor_sync(0xffffffffu, 1.0f, threadIdx.x < 16 ? 1 : 2); }),
               "different distances");
  EXPECT_DEATH(run(1, 32, [] { __shfl_xor_sync(0xffffu, 1.0f, 1); }), "a part of a warp");
}

// In a process of its own, where no kernel has been tried.
TEST(EmulatedCudaDeath, AKernelThatBringsTheDeviceDownIsAnErrorWithAWayOut) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        emulated_cuda::on_run = ovi::test::fake::break_down;
        try {
          ovi::kernels::try_fused_kernels(ovi::test::fake::device());
        } catch (const ovi::Error& error) {
          std::fprintf(stderr, "%s: %s", error.what(), error.detail().c_str());
          std::exit(0);
        }
        std::exit(1);
      },
      testing::ExitedWithCode(0), "OVI_FUSED_KERNELS=0 .*: CUDA error: an illegal memory access");
}

// A GPU faults on a wide load from an odd address: so does this.
TEST(EmulatedCudaDeath, EndsAtALoadThatIsNotAligned) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const ovi::kernels::CudaTable* table = ovi::kernels::cuda_kernels().table;
  ASSERT_NE(table, nullptr) << ovi::kernels::cuda_kernels().why;
  alignas(16) float x[68] = {}, out[64];
  ovi::kernels::LayerNormArgs args;
  args.rows = 1;
  args.dim = 64;
  args.eps = 1;
  args.aligned = 1;
  args.x = x;
  args.first.out = out;
  EXPECT_EQ(table->layer_norm(args, nullptr), 0);
  args.x = x + 1;
  EXPECT_DEATH(table->layer_norm(args, nullptr), "");
}

}  // namespace
