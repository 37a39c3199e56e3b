// SPDX-License-Identifier: Apache-2.0
#include "case_data.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <utility>

namespace ovi::testing {

std::string data_path(const std::string& relative) {
  const char* root = std::getenv("OVI_TEST_DATA");
  if (!root) throw std::runtime_error("OVI_TEST_DATA is not set: it is the folder tests/parity");
  return std::string(root) + "/" + relative;
}

CaseData::CaseData(const std::string& name)
    : json_(nlohmann::json::parse(std::ifstream(data_path("cases/" + name + "/case.json")))),
      inputs_(open_tensors(data_path("cases/" + name + "/inputs.safetensors"))),
      expected_(open_tensors(data_path("cases/" + name + "/expected.safetensors"))) {}

::testing::AssertionResult CaseData::matches(const std::string& name, const at::Tensor& got) const {
  const at::Tensor want = expected(name);
  if (got.sizes() != want.sizes())
    return ::testing::AssertionFailure()
           << name << " has the shape " << got.sizes() << ", expected " << want.sizes();
  const double tolerance = json_.at("tolerance").at(name).get<double>();
  const double limit = tolerance * std::max(1.0, want.abs().max().item<double>());
  const double difference = max_difference(got, want);
  return (difference <= limit ? ::testing::AssertionSuccess() : ::testing::AssertionFailure())
         << name << " differs by " << difference << ", allowed " << limit;
}

double max_difference(const at::Tensor& got, const at::Tensor& expected) {
  const double difference =
      (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

double psnr(const at::Tensor& got, const at::Tensor& expected) {
  const double error =
      (got.to(at::kDouble) - expected.to(at::kDouble)).square().mean().item<double>();
  const double peak = expected.abs().max().item<double>();
  return 10 * std::log10(peak * peak / error);
}

at::Tensor seeded_normal(const std::vector<int64_t>& shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

Weights tiny_weights(const std::string& relative, at::ScalarType dtype) {
  return Weights(open_tensors(data_path("models/tiny/" + relative)), {dtype, c10::kCPU, {}});
}

}  // namespace ovi::testing
