// For programs of tests that know nothing of kernels: the GPU's have run in them.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "../fake_device/fake_device.h"
#include "emulated_cuda.h"
#include "kernels/kernel_check.h"

namespace {

class GpuCodeUsed final : public testing::Environment {
  void TearDown() override {
    for (const auto& [kernel, state] : ovi::kernels::known_kernel_states(ovi::test::fake::device()))
      EXPECT_EQ(state, "used") << kernel;
    EXPECT_GT(emulated_cuda::runs(), 100);
  }
};

[[maybe_unused]] const auto* const used = testing::AddGlobalTestEnvironment(new GpuCodeUsed);

}  // namespace
