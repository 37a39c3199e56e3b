// Linked into each program: every test begins with the same random numbers, whichever
// tests ran before it. LibTorch itself seeds its generator by chance, and a tolerance
// that holds for most draws alone then fails once in a while. OVI_TEST_SEED=N takes
// others, to see how much room a tolerance leaves.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace {

class SeedEachTest : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    const char* seed = std::getenv("OVI_TEST_SEED");
    at::Generator generator = at::detail::getDefaultCPUGenerator();
    generator.set_current_seed(seed ? std::strtoull(seed, nullptr, 10) : 2025);
  }
};

[[maybe_unused]] const bool kListening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedEachTest);  // GoogleTest owns it
  return true;
}();

}  // namespace
