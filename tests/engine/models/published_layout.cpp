// SPDX-License-Identifier: Apache-2.0
#include "published_layout.h"

#include <ATen/ops/empty.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "case_data.h"

namespace ovi::testing {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// "0-3,5,a" -> 0 1 2 3 5 a
std::vector<std::string> alternatives(const std::string& list) {
  std::vector<std::string> all;
  for (const std::string& item : split(list, ',')) {
    const size_t dash = item.find('-');
    if (dash == std::string::npos) {
      all.push_back(item);
      continue;
    }
    const int last = std::stoi(item.substr(dash + 1));
    for (int i = std::stoi(item.substr(0, dash)); i <= last; ++i) all.push_back(std::to_string(i));
  }
  return all;
}

std::vector<std::string> expand(const std::string& pattern) {
  const size_t open = pattern.find('{');
  if (open == std::string::npos) return {pattern};
  const size_t close = pattern.find('}', open);
  if (close == std::string::npos) throw std::runtime_error("no } in " + pattern);
  std::vector<std::string> names;
  for (const std::string& tail : expand(pattern.substr(close + 1))) {
    for (const std::string& item : alternatives(pattern.substr(open + 1, close - open - 1))) {
      names.push_back(pattern.substr(0, open) + item + tail);
    }
  }
  return names;
}

at::ScalarType dtype_of(const std::string& name) {
  if (name == "F32") return at::kFloat;
  if (name == "BF16") return at::kBFloat16;
  if (name == "F8_E4M3") return at::kFloat8_e4m3fn;
  throw std::runtime_error("no dtype: " + name);
}

}  // namespace

std::vector<TensorInfo> published_layout(const std::string& part, PublishedFile file) {
  const std::string path = data_path("../engine/models/published/" + part + ".txt");
  std::ifstream text(path);
  if (!text) throw std::runtime_error("no test file " + path);
  std::vector<TensorInfo> tensors;
  std::map<std::string, int> times;
  size_t announced = 0;
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string first, dtypes;
    words >> first >> dtypes;
    if (first == "#") {
      if (dtypes.find_first_not_of("0123456789") == std::string::npos) {
        announced = std::stoul(dtypes);
      }
      continue;
    }
    const std::vector<std::string> dtype = split(dtypes, '|');
    std::vector<int64_t> shape;
    for (int64_t extent = 0; words >> extent;) shape.push_back(extent);
    if (!words.eof() || dtype.empty()) throw std::runtime_error(path + ": " + line);
    for (const std::string& name : expand(first)) {
      if (++times[name] > 1) throw std::runtime_error(path + " has " + name + " twice");
      tensors.push_back(
          {name, dtype_of(file == PublishedFile::kWide ? dtype.front() : dtype.back()), shape});
    }
  }
  if (tensors.size() != announced) {
    throw std::runtime_error(path + " announces " + std::to_string(announced) + " tensors, has " +
                             std::to_string(tensors.size()));
  }
  return tensors;
}

Headers::Headers(std::vector<TensorInfo> tensors) : tensors_(std::move(tensors)) {
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

const TensorInfo* Headers::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

at::Tensor Headers::view(const std::string& name) const {
  const TensorInfo& info = tensors_[index_.at(name)];
  viewed_.push_back(name);
  return at::empty(info.shape, at::TensorOptions().dtype(info.dtype).device(c10::kMeta));
}

}  // namespace ovi::testing
