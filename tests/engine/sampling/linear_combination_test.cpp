// SPDX-License-Identifier: Apache-2.0
#include "sampling/linear_combination.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "runtime/error.h"

namespace ovi {
namespace {

TEST(LinearCombination, IsTheWeightedSumAndLeavesItsTerms) {
  std::vector<Term> terms;
  at::Tensor truth = at::zeros({37, 3}, at::TensorOptions().dtype(at::kDouble));
  for (const double weight : {1.5, -0.25, 1e-6, 3.0, 0.0, -1.0}) {
    terms.push_back({weight, at::randn({37, 3})});
    const at::Tensor before = terms.back().tensor.clone();
    truth = truth + before.to(at::kDouble) * weight;
    EXPECT_TRUE(at::allclose(linear_combination(terms), truth.to(at::kFloat), 1e-5, 1e-5));
    EXPECT_TRUE(terms.back().tensor.equal(before));
  }
}

TEST(LinearCombination, RefusesWhatDoesNotFit) {
  const at::Tensor x = at::randn({4, 6});
  for (const std::vector<Term>& terms :
       {std::vector<Term>{}, {{1, x}, {1, at::randn({6, 4})}}, {{1, x}, {1, x.to(at::kBFloat16)}}})
    EXPECT_THROW(linear_combination(terms), Error);
}

}  // namespace
}  // namespace ovi
