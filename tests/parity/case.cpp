// SPDX-License-Identifier: Apache-2.0
#include "case.h"

#include <ATen/TensorOperators.h>

#include <cstdio>
#include <fstream>

#include "runtime/error.h"

namespace ovi::parity {
namespace {

std::string shape_text(const at::Tensor& t) {
  std::string text = "[";
  for (const int64_t n : t.sizes()) text += (text.size() > 1 ? "," : "") + std::to_string(n);
  return text + "]";
}

std::shared_ptr<TensorSource> open_if_there(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? open_tensors(path.string()) : nullptr;
}

}  // namespace

Case::Case(const std::filesystem::path& folder, const Options& options, Tally& tally)
    : name_(folder.filename().string()), folder_(folder), options_(options), tally_(tally) {
  std::ifstream file(folder / "case.json");
  json_ = nlohmann::json::parse(file);
  inputs_ = open_if_there(folder / "inputs.safetensors");
  expected_ = open_if_there(folder / "expected.safetensors");
}

std::filesystem::path Case::model() const {
  const std::filesystem::path models =
      options_.models.empty() ? folder_.parent_path().parent_path() / "models" : options_.models;
  return models / json_.at("model").get<std::string>();
}

bool Case::has_input(const std::string& name) const { return inputs_ && inputs_->find(name); }

at::Tensor Case::input(const std::string& name) const {
  if (!has_input(name)) {
    throw Error(ErrorKind::kFormat, "inputs.safetensors lacks '" + name + "'");
  }
  return inputs_->view(name);
}

at::Tensor Case::placed_input(const std::string& name) const {
  return input(name).to(options_.device, options_.dtype);
}

bool Case::expects(const std::string& name) const { return expected_ && expected_->find(name); }

at::Tensor Case::expected(const std::string& name) const {
  if (!expects(name)) {
    throw Error(ErrorKind::kFormat, "expected.safetensors lacks '" + name + "'");
  }
  return expected_->view(name);
}

std::vector<std::string> Case::expected_names() const {
  std::vector<std::string> names;
  if (!expected_) return names;
  for (const TensorInfo& tensor : expected_->tensors()) names.push_back(tensor.name);
  return names;
}

double Case::tolerance(const std::string& name) const {
  return json_.at("tolerance").value(name.substr(0, name.find('.')), 0.0);
}

void Case::check(const std::string& name, const at::Tensor& got) {
  check(name, got, expected(name), tolerance(name));
}

void Case::check(const std::string& name, const at::Tensor& got, const at::Tensor& expected,
                 double tolerance) {
  if (got.sizes() != expected.sizes()) {
    report(false, name, "shape " + shape_text(got) + ", expected " + shape_text(expected));
    return;
  }
  if (!at::isFloatingType(expected.scalar_type())) {
    const bool equal = got.to(at::kCPU, expected.scalar_type()).equal(expected);
    report(equal, name, equal ? "equal" : "integers differ");
    return;
  }
  const at::Tensor a = got.to(at::kCPU, at::kDouble), b = expected.to(at::kDouble);
  double error = 0, scale = 1;
  if (b.numel() > 0) {
    error = (a - b).abs().max().item<double>();
    scale = std::max(1.0, b.abs().max().item<double>());
  }
  const double limit = tolerance * options_.tolerance_scale * scale;
  char text[160];
  std::snprintf(text, sizeof text, "error %.3g, tolerance %.3g %s", error, limit,
                shape_text(expected).c_str());
  report(error <= limit, name, text);  // false for NaN
}

void Case::check_text(const std::string& name, const std::string& got,
                      const std::string& expected) {
  report(got == expected, name,
         got == expected ? "equal" : "\"" + got + "\", expected \"" + expected + "\"");
}

void Case::fail(const std::string& what, const std::string& why) { report(false, what, why); }

void Case::report(bool passed, const std::string& what, const std::string& detail) {
  (passed ? tally_.passed : tally_.failed)++;
  std::printf("%s %s %s: %s\n", passed ? "ok  " : "FAIL", name_.c_str(), what.c_str(),
              detail.c_str());
  std::fflush(stdout);
}

}  // namespace ovi::parity
