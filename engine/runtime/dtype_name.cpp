// SPDX-License-Identifier: Apache-2.0
#include "runtime/dtype_name.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ovi {

std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "fp32";
    case at::kBFloat16:
      return "bf16";
    case at::kHalf:
      return "fp16";
    case at::kDouble:
      return "fp64";
    case at::kFloat8_e4m3fn:
      return "fp8 (e4m3)";
    case at::kFloat8_e5m2:
      return "fp8 (e5m2)";
    case at::kChar:
      return "int8";
    default:
      return c10::toString(type);
  }
}

std::string dtype_names(const std::map<at::ScalarType, uint64_t>& shares) {
  std::vector<std::pair<std::string, uint64_t>> sorted;
  for (const auto& [type, share] : shares) sorted.emplace_back(dtype_name(type), share);
  std::sort(sorted.begin(), sorted.end(), [](const auto& one, const auto& other) {
    return one.second != other.second ? one.second > other.second : one.first < other.first;
  });
  std::string names;
  for (const auto& [name, share] : sorted) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace ovi
