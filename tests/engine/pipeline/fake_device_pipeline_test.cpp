// The whole path on an accelerator: what runs there gives the CPU's clip, in order, and
// without waiting where it should not.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include "../fake_device/fake_device.h"
#include "../tiny_model.h"
#include "pipeline/generator.h"

namespace ovi {
namespace {

using test::RecordingSink;
using test::small_request;
using test::tiny_model;
namespace fake = test::fake;

class OnAccelerator : public testing::Test {
 protected:
  void SetUp() override { fake::reset(); }
  void TearDown() override {
    for (const std::string& violation : fake::violations()) ADD_FAILURE() << violation;
  }
};

TEST_F(OnAccelerator, GivesTheClipOfTheCpu) {
  const Request request = small_request();
  RecordingSink there, here;
  const GenerationStats stats =
      Generator(tiny_model(at::kFloat, fake::device())).generate(request, there, nullptr);
  Generator(tiny_model()).generate(request, here, nullptr);
  ASSERT_EQ(there.frames.size(), here.frames.size());
  const at::Tensor frames = at::cat(there.frames);
  EXPECT_TRUE(frames.is_cpu());
  const at::Tensor apart = (frames.to(at::kInt) - at::cat(here.frames).to(at::kInt)).abs();
  EXPECT_LE(apart.max().item<int>(), 1);  // of 255
  EXPECT_LT((there.samples - here.samples).abs().max().item<float>(), 1e-4);
  EXPECT_GT(stats.peak_device_bytes, 0u);
  EXPECT_EQ(stats.peak_device_bytes, fake::memory().peak);
}

}  // namespace
}  // namespace ovi
