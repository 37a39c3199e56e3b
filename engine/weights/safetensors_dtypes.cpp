// SPDX-License-Identifier: Apache-2.0
#include "weights/safetensors_dtypes.h"

#include <utility>

namespace ovi::safetensors {
namespace {

constexpr std::pair<std::string_view, at::ScalarType> kTypes[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat},
    {"F16", at::kHalf},   {"BF16", at::kBFloat16},
    {"I64", at::kLong},   {"F8_E4M3", at::kFloat8_e4m3fn},
    {"I32", at::kInt},    {"F8_E5M2", at::kFloat8_e5m2},
    {"I16", at::kShort},  {"I8", at::kChar},
    {"U8", at::kByte},    {"BOOL", at::kBool},
};

}  // namespace

std::optional<at::ScalarType> dtype_named(std::string_view name) {
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  return std::nullopt;
}

std::optional<std::string_view> name_of(at::ScalarType dtype) {
  for (const auto& [name, known] : kTypes) {
    if (dtype == known) return name;
  }
  return std::nullopt;
}

}  // namespace ovi::safetensors
