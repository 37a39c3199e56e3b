// How the ways to compute a layer are chosen, with devices that are made up.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "kernels/cuda_kernels.h"
#include "nn/attention.h"
#include "nn/attention_choice.h"
#include "nn/float8_product.h"
#include "nn/gelu_epilogue.h"
#include "nn/prepare.h"
#include "runtime/error.h"

namespace ovi::nn {
namespace {

constexpr int64_t kNewCudnn = 91900, kOldCudnn = 91500;

Verdict fast(double seconds) { return {true, 0.003, seconds, ""}; }
Verdict bad(const std::string& problem) { return {false, 0, 0, problem}; }

struct FakeGpu {
  std::map<AttentionKernel, Verdict> verdicts;
  std::vector<AttentionKernel> tried;

  AttentionChoice choose(const std::string& wish, int64_t cudnn) {
    return choose_attention({wish, cudnn}, [&](AttentionKernel kernel) {
      tried.push_back(kernel);
      return verdicts.at(kernel);
    });
  }
};

using enum AttentionKernel;

TEST(AttentionChoice, IsTheFasterOfTwoThatAreRight) {
  FakeGpu gpu{{{kCudnn, fast(1e-3)}, {kFlash, fast(2e-3)}}, {}};
  AttentionChoice choice = gpu.choose("", kNewCudnn);
  EXPECT_EQ(choice.kernel, kCudnn);
  EXPECT_EQ(choice.warning, "");
  EXPECT_EQ(choice.reason, "cuDNN 9.19.0, cudnn 1.00 ms, flash 2.00 ms");
  gpu.verdicts[kCudnn].seconds = 3e-3;
  EXPECT_EQ(gpu.choose("auto", kNewCudnn).kernel, kFlash);
}

TEST(AttentionChoice, NeverIsOneThatIsWrongOrFails) {
  FakeGpu gpu{{{kCudnn, bad("is off by 0.3")}, {kFlash, fast(2)}}, {}};
  AttentionChoice choice = gpu.choose("", kNewCudnn);
  EXPECT_EQ(choice.kernel, kFlash);
  EXPECT_NE(choice.warning.find("cudnn is off by 0.3"), std::string::npos) << choice.warning;
  gpu.verdicts[kFlash] = bad("fails (out of memory)");
  choice = gpu.choose("", kNewCudnn);
  EXPECT_EQ(choice.kernel, kGeneral);
  EXPECT_NE(choice.warning.find("out of memory"), std::string::npos) << choice.warning;
  EXPECT_NE(choice.warning.find("may be slow"), std::string::npos) << choice.warning;
}

TEST(AttentionChoice, RefusesAnOldCudnnUnlessItIsWishedFor) {
  FakeGpu gpu{{{kCudnn, fast(1)}, {kFlash, fast(2)}}, {}};
  AttentionChoice choice = gpu.choose("", kOldCudnn);
  EXPECT_EQ(choice.kernel, kFlash);
  EXPECT_EQ(gpu.tried, std::vector{kFlash});
  for (const char* part : {"9.15.0", "9.15.1", "LD_LIBRARY_PATH"})
    EXPECT_NE(choice.warning.find(part), std::string::npos) << choice.warning;
  EXPECT_EQ(gpu.choose("cudnn", kOldCudnn).kernel, kCudnn);
  // Without any cuDNN there is nothing to warn of.
  choice = gpu.choose("", 0);
  EXPECT_EQ(choice.kernel, kFlash);
  EXPECT_EQ(choice.warning, "");
}

TEST(AttentionChoice, DoesWhatIsWished) {
  FakeGpu gpu{{{kCudnn, fast(1)}, {kFlash, fast(2)}}, {}};
  EXPECT_EQ(gpu.choose("flash", kNewCudnn).kernel, kFlash);
  EXPECT_EQ(gpu.tried, std::vector{kFlash});
  EXPECT_EQ(gpu.choose("cudnn", kNewCudnn).kernel, kCudnn);
  try {
    gpu.choose("fa3", kNewCudnn);
    FAIL() << "fa3 is no kernel here";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSettings);
    EXPECT_NE(std::string(error.what()).find("OVI_ATTENTION is \"fa3\""), std::string::npos);
  }
}

// Flash attention has a CPU kernel of the same name, so the views and shapes that the GPU
// gets can be tried here.
TEST(AttentionBy, TakesViewsAndGivesTokensFirst) {
  const at::Tensor all = at::randn({3, 40, 4, 16});  // q, k, v cut from one tensor
  const at::Tensor general = attention_by(kGeneral, all[0], all[1], all[2]);
  EXPECT_TRUE(general.equal(attention(all[0], all[1], all[2])));
  EXPECT_EQ(general.sizes(), at::IntArrayRef({40, 64}));
  EXPECT_THROW(attention_by(kCudnn, all[0], all[1], all[2]), std::exception);
  EXPECT_EQ(attention_kernel_of(c10::kCPU), kGeneral);
}

TEST(Float8Choice, IsTheFirstThatIsRight) {
  using enum Float8Product;
  std::map<Float8Product, Verdict> verdicts = {{kRowwise, fast(0)}, {kUnscaled, fast(0)}};
  const auto choose = [&](std::string& note) {
    return choose_float8_product([&](Float8Product p) { return verdicts.at(p); }, &note);
  };
  std::string note;
  EXPECT_EQ(choose(note), kRowwise);
  EXPECT_EQ(note, "");
  verdicts[kRowwise] = bad("is off by 1");
  EXPECT_EQ(choose(note), kUnscaled);
  EXPECT_EQ(note, "its rowwise product is off by 1");
  verdicts[kUnscaled] = bad("fails (x)");
  EXPECT_EQ(choose(note), kWidened);
  EXPECT_NE(note.find("rowwise product is off by 1; its unscaled product fails (x)"),
            std::string::npos)
      << note;
}

// LibTorch's CPU multiplies 8-bit floats with one factor for all rows: a real refusal.
TEST(Float8Choice, OnACpuIsNeverRowwise) {
  EXPECT_NE(float8_product_of(c10::kCPU), Float8Product::kRowwise);
}

TEST(GeluEpilogue, IsNotOnACpu) { EXPECT_FALSE(has_gelu_epilogue(c10::kCPU)); }

TEST(Choices, AreThoseThatWereMade) {
  const c10::Device untouched(c10::kMeta);
  Choices choices = known_choices(untouched);
  EXPECT_EQ(choices.float8_product.taken, "none");
  EXPECT_EQ(choices.attention.taken, "general");
  EXPECT_EQ(choices.gelu_epilogue.taken, "separate");
  EXPECT_EQ(choices.fused_kernels.size(), std::size(kernels::kAllKernels));
  EXPECT_EQ(known_float8_choice(untouched), nullptr) << "a look must try nothing";

  prepare(c10::kCPU, Arithmetic(at::kBFloat16, true));
  choices = known_choices(c10::kCPU);
  EXPECT_EQ(choices.float8_product.taken, name_of(float8_product_of(c10::kCPU)));
  EXPECT_NE(choices.float8_product.reason.find("its rowwise product"), std::string::npos)
      << choices.float8_product.reason;
}

TEST(Choices, AreSaidInOneSentence) {
  Choices choices{
      {"cudnn", "cuDNN 9.15.1"}, {"rowwise", ""}, {"fused", ""}, {{"a", "used"}, {"b", "used"}}};
  EXPECT_EQ(
      in_words(choices),
      "attention cudnn (cuDNN 9.15.1); 8-bit products rowwise; GELU fused; fused kernels used");
  choices.fused_kernels["c"] = "is off by 1";
  EXPECT_EQ(in_words(choices),
            "attention cudnn (cuDNN 9.15.1); 8-bit products rowwise; GELU fused; fused kernels is "
            "off by 1: c; used: a, b");
}

}  // namespace
}  // namespace ovi::nn
