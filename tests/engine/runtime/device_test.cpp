// SPDX-License-Identifier: Apache-2.0
#include "runtime/device.h"

#include <ATen/Context.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "../weights/test_files.h"
#include "runtime/cancel.h"
#include "runtime/cuda_library.h"
#include "runtime/error.h"
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
  EXPECT_EQ(arithmetic_of(Precision::kAuto, c10::kCPU).dtype, at::kFloat);
  EXPECT_EQ(arithmetic_of(Precision::kBf16, c10::kCPU).dtype, at::kBFloat16);
  const Arithmetic fp8 = arithmetic_of(Precision::kFp8, c10::kCPU);
  EXPECT_EQ(fp8.dtype, at::kBFloat16);
  EXPECT_TRUE(fp8.float8_matrices);
  EXPECT_EQ(precision_name(fp8), "fp8");
  EXPECT_EQ(precision_name(at::kBFloat16), "bf16");
  EXPECT_EQ(precision_name(at::kFloat), "fp32");
  // More than any machine has.
  EXPECT_THROW(find_device("cuda:127"), Error);
}

TEST(Device, NamesTheWayOutWhereAGpuHasNoFloat8) {
  for (const int capability : {0, 89, 90, 100, 120}) EXPECT_NO_THROW(check_float8(capability, "g"));
  for (const int capability : {75, 80, 86, 87}) {
    try {
      check_float8(capability, "cuda:1");
      FAIL() << capability;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kSettings);
      const std::string text = error.what();
      for (const char* part : {"precision=fp8", "cuda:1", "precision=bf16"})
        EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
}

// The flags alone decide what LibTorch asks cuBLAS and cuDNN for; both ways of asking for
// them have to agree.
TEST(Device, KeepsFloat32Exact) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(true);
  set_up_cuda();
  EXPECT_FALSE(context.allowTF32CuDNN());
  EXPECT_FALSE(context.allowTF32CuDNN(at::Float32Op::CONV));
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_FALSE(context.benchmarkCuDNN());
  for (const auto op : {at::Float32Op::MATMUL, at::Float32Op::CONV, at::Float32Op::RNN}) {
    EXPECT_NE(context.float32Precision(at::Float32Backend::CUDA, op), at::Float32Precision::TF32);
  }
  setenv("OVI_CUDNN_BENCHMARK", "1", 1);
  set_up_cuda();
  EXPECT_TRUE(context.benchmarkCuDNN());
  unsetenv("OVI_CUDNN_BENCHMARK");
  set_up_cuda();
  EXPECT_FALSE(context.benchmarkCuDNN());
}

TEST(Device, SeedsItsGenerators) {
  const auto draw = [](uint64_t seed) {
    return at::randn({16}, make_generator(c10::kCPU, seed), at::TensorOptions());
  };
  EXPECT_TRUE(draw(3).equal(draw(3)));
  EXPECT_FALSE(draw(3).equal(draw(4)));
}

TEST(Nvrtc, IsFoundBesideTheRuntimeAndWhatItOpensComesFirst) {
  const test::TempFolder wheel;
  for (const char* file :
       {"libnvrtc.so.13", "libnvrtc.alt.so.13", "libnvrtc-builtins.so.13.0", "libcudart.so.13",
        "libnvrtc-builtins.alt.so.13.0", "libnvrtc_static.a", "other/libnvrtc.so.13"}) {
    wheel.write(file, "");
  }
  EXPECT_EQ(nvrtc_files({wheel.path("none"), wheel.path()}),
            (std::vector<std::filesystem::path>{wheel.path("libnvrtc-builtins.so.13.0"),
                                                wheel.path("libnvrtc.so.13")}));
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
