// The check of kernels at a GPU's first use, on the host's versions of them.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernel_check.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <set>
#include <stdexcept>

namespace ovi::kernels {
namespace {

TEST(KernelCases, AreOfEveryKernelAndAllRight) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto cases = kernel_cases(c10::kCPU, dtype, kSmallCase);
    std::set<Kernel> kernels;
    for (const KernelCase& one : cases) {
      kernels.insert(one.kernel);
      EXPECT_GT(one.bytes, 0) << one.name;
    }
    EXPECT_EQ(kernels.size(), std::size(kAllKernels));
    for (const auto& [kernel, problem] : faults_of(cases))
      ADD_FAILURE() << name_of(kernel) << " " << problem;
  }
}

// A single wrong value among many, in any of a kernel's results, is found.
TEST(KernelCheck, FindsOneWrongElement) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const KernelCase& one : kernel_cases(c10::kCPU, dtype, kSmallCase)) {
      const auto right = one.fused(), expected = one.twin();
      for (size_t which = 0; which < right.size(); ++which) {
        auto wrong = right;
        wrong[which] = right[which].to(at::kFloat).contiguous().clone();
        const at::Tensor size = expected[which].to(at::kFloat).abs();
        at::Tensor last = wrong[which].view({-1})[wrong[which].numel() - 1];
        last += 2 * one.tolerance * (size.flatten()[size.numel() - 1] + size.mean());
        const KernelCase made{
            one.kernel,   one.name, one.bytes, [&] { return wrong; }, [&] { return expected; },
            one.tolerance};
        EXPECT_EQ(faults_of({made}).count(one.kernel), 1u) << one.name << ", result " << which;
      }
    }
  }
}

TEST(KernelCheck, SaysWhatIsWrong) {
  const auto value = [](double v) {
    return [=] { return std::vector<at::Tensor>{at::full({4}, v, at::kFloat)}; };
  };
  const KernelCase good{Kernel::kSnake, "good", 1, value(1), value(1), 0.01};
  const KernelCase off{Kernel::kGatedAdd, "of four", 1, value(3), value(1), 0.01};
  const KernelCase nan{Kernel::kLayerNorm, "nan", 1, value(NAN), value(1), 0.01};
  const KernelCase thrown{Kernel::kPackPixels,
                          "thrown",
                          1,
                          []() -> std::vector<at::Tensor> { throw std::runtime_error("launch"); },
                          value(1),
                          0.01};
  const auto faults = faults_of({good, off, nan, thrown});
  EXPECT_EQ(faults.size(), 3u);
  EXPECT_EQ(faults.at(Kernel::kGatedAdd), "is off by 1 in \"of four\"");
  EXPECT_EQ(faults.at(Kernel::kPackPixels), "fails (launch) in \"thrown\"");
  EXPECT_TRUE(faults.contains(Kernel::kLayerNorm));
}

TEST(KernelStates, SayWhyAKernelIsNotUsed) {
  EXPECT_EQ(kernel_states({}, nullptr).at("snake"), "turned off by OVI_FUSED_KERNELS=0");
  EXPECT_EQ(kernel_states({nullptr, "no such file"}, nullptr).at("snake"), "no such file");
  const CudaTable table{};
  EXPECT_EQ(kernel_states({&table, ""}, nullptr).at("snake"), "not tried");
  const std::map<Kernel, std::string> faults = {{Kernel::kSnake, "is off by 1"}};
  const auto states = kernel_states({&table, ""}, &faults);
  EXPECT_EQ(states.at("snake"), "is off by 1");
  EXPECT_EQ(states.at("layer_norm"), "used");
  EXPECT_EQ(states.size(), std::size(kAllKernels));
}

TEST(LargestDifference, IsRelativeToTheValueAndTheMean) {
  at::Tensor truth = at::full({4}, 2.0, at::kFloat), got = truth.clone();
  EXPECT_EQ(largest_difference({got}, {truth}), 0);
  got[3] = 3;
  EXPECT_NEAR(largest_difference({got}, {truth}), 0.25, 1e-7);
  EXPECT_NEAR(largest_difference({truth, got}, {truth, truth}), 0.25, 1e-7);
  EXPECT_EQ(largest_difference({at::zeros({2})}, {at::zeros({2})}), 0);
}

}  // namespace
}  // namespace ovi::kernels
