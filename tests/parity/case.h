// One case folder: what goes in, what must come out, and the verdict.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi::parity {

struct Options {
  std::filesystem::path models;  // empty: `models` beside the folder of the case
  c10::Device device = c10::kCPU;
  at::ScalarType dtype = at::kFloat;
  double tolerance_scale = 1.0;
};

struct Tally {
  int passed = 0, failed = 0;
};

class Case {
 public:
  Case(const std::filesystem::path& folder, const Options& options, Tally& tally);

  const std::string& name() const { return name_; }
  const nlohmann::json& json() const { return json_; }
  const nlohmann::json& args() const { return json_.at("args"); }
  std::string stage() const { return json_.at("stage"); }
  const Options& options() const { return options_; }
  /// The folder of the case's model.
  std::filesystem::path model() const;

  bool has_input(const std::string& name) const;
  /// As stored; floating tensors go to the device in the compute dtype.
  at::Tensor input(const std::string& name) const;
  at::Tensor placed_input(const std::string& name) const;
  bool expects(const std::string& name) const;
  at::Tensor expected(const std::string& name) const;
  std::vector<std::string> expected_names() const;

  /// Compares with the expected tensor of that name and prints a line. The tolerance
  /// is that of `name` up to its first '.'. Integers must be equal.
  void check(const std::string& name, const at::Tensor& got);
  void check(const std::string& name, const at::Tensor& got, const at::Tensor& expected,
             double tolerance);
  void check_text(const std::string& name, const std::string& got, const std::string& expected);
  void fail(const std::string& what, const std::string& why);
  double tolerance(const std::string& name) const;

 private:
  void report(bool passed, const std::string& what, const std::string& detail);

  std::string name_;
  std::filesystem::path folder_;
  const Options& options_;
  Tally& tally_;
  nlohmann::json json_;
  std::shared_ptr<TensorSource> inputs_, expected_;
};

}  // namespace ovi::parity
