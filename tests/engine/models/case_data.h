// The parity cases and models as a unit test sees them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../memory_source.h"
#include "weights/tensor_source.h"
#include "weights/weights.h"

namespace ovi::testing {

/// A path below tests/parity.
std::string data_path(const std::string& relative);

/// One folder of tests/parity/cases.
class CaseData {
 public:
  explicit CaseData(const std::string& name);

  at::Tensor input(const std::string& name) const { return inputs_->view(name); }
  at::Tensor expected(const std::string& name) const { return expected_->view(name); }
  const nlohmann::json& json() const { return json_; }

  /// Passes when max|got - expected| <= tolerance * max(1, max|expected|), with the
  /// case's tolerance for `name`.
  ::testing::AssertionResult matches(const std::string& name, const at::Tensor& got) const;

 private:
  nlohmann::json json_;
  std::shared_ptr<TensorSource> inputs_, expected_;
};

/// max|got - expected|; NaN counts as infinite. Shapes must be equal.
double max_difference(const at::Tensor& got, const at::Tensor& expected);

/// Peak (of `expected`) signal over root mean square error, in decibels.
double psnr(const at::Tensor& got, const at::Tensor& expected);

/// Standard normal, the same on every run.
at::Tensor seeded_normal(const std::vector<int64_t>& shape, uint64_t seed);

/// A weight file of the tiny model, as a model sees it.
Weights tiny_weights(const std::string& relative, at::ScalarType dtype = at::kFloat);

}  // namespace ovi::testing
