// SPDX-License-Identifier: Apache-2.0
#include "pipeline/conversion_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace ovi {
namespace {

constexpr std::string_view kWeight = ".weight", kFactors = ".scale_weight";
// As nn::BigLinear derives them.
constexpr std::string_view kDerived = " values";
constexpr int64_t kMultiple = 16;  // of both sizes of a matrix of 8-bit floats

struct Wanted {
  std::map<std::string, at::ScalarType> types;  // the widest that any part asks for
  std::set<std::string> float8;                 // matrices that are multiplied in 8 bits
};

bool is_wider(at::ScalarType one, at::ScalarType other) {
  return c10::elementSize(one) > c10::elementSize(other);
}

Wanted wanted_by(const std::vector<const LoadedModel::PartManifest*>& asked) {
  Wanted wanted;
  for (const LoadedModel::PartManifest* part : asked) {
    for (const WeightSpec& tensor : part->tensors) {
      if (tensor.use == WeightSpec::Use::kDerived) {
        if (tensor.name.ends_with(kDerived)) {
          wanted.float8.insert(tensor.name.substr(0, tensor.name.size() - kDerived.size()));
        }
        continue;
      }
      const auto [at, is_new] = wanted.types.emplace(tensor.name, tensor.dtype);
      if (!is_new && is_wider(tensor.dtype, at->second)) at->second = tensor.dtype;
    }
  }
  return wanted;
}

bool is_float8(at::ScalarType dtype) {
  return dtype == at::kFloat8_e4m3fn || dtype == at::kFloat8_e5m2;
}

/// A projection in a block of the text encoder.
bool is_text_matrix(const TensorInfo& tensor) {
  return tensor.shape.size() == 2 && block_of(tensor.name) >= 0 && tensor.name.ends_with(kWeight) &&
         tensor.name.find("embedding") == std::string::npos && tensor.shape[0] % kMultiple == 0 &&
         tensor.shape[1] % kMultiple == 0;
}

/// What is kept of a tensor that the engine brings in as `asked` (none: it does not).
at::ScalarType kept(at::ScalarType stored, std::optional<at::ScalarType> asked) {
  if (!asked) return stored;
  if (is_float8(*asked)) return stored;  // taken as it is
  // From fewer bits bfloat16 is exact: nothing is gained by more.
  if (is_float8(stored)) return at::kBFloat16;
  return is_wider(*asked, stored) ? stored : *asked;
}

}  // namespace

const char* stored_as_name(StoredAs stored) {
  switch (stored) {
    case StoredAs::kBf16:
      return "bf16";
    case StoredAs::kFp32:
      return "fp32";
    case StoredAs::kFp8:
      return "fp8";
    case StoredAs::kAsStored:
      break;
  }
  return "stored";
}

Arithmetic arithmetic_for(StoredAs stored) {
  switch (stored) {
    case StoredAs::kBf16:
      return at::kBFloat16;
    case StoredAs::kFp8:
      return Arithmetic(at::kBFloat16, true);
    case StoredAs::kFp32:
    case StoredAs::kAsStored:
      break;
  }
  return at::kFloat;
}

std::string factors_name(const std::string& weight) {
  return weight.substr(0, weight.size() - kWeight.size()).append(kFactors);
}

std::vector<PlannedTensor> plan_tensors(const TensorSource& file,
                                        const std::vector<const LoadedModel::PartManifest*>& asked,
                                        StoredAs stored, bool text_encoder) {
  const Wanted wanted = wanted_by(asked);
  std::vector<PlannedTensor> plan;
  plan.reserve(file.tensors().size());
  for (const TensorInfo& tensor : file.tensors()) {
    const auto found = wanted.types.find(tensor.name);
    std::optional<at::ScalarType> type;
    if (found != wanted.types.end()) type = found->second;
    // Stays mapped, and its rows are rounded as they are looked up.
    if (text_encoder && tensor.name == "token_embedding.weight") type = at::kBFloat16;
    PlannedTensor planned{tensor, tensor.dtype, false, type.has_value()};
    if (!c10::isFloatingType(tensor.dtype) || stored == StoredAs::kAsStored) {
      plan.push_back(std::move(planned));
      continue;
    }
    if (stored == StoredAs::kFp32) {
      planned.dtype = at::kFloat;
      plan.push_back(std::move(planned));
      continue;
    }
    planned.dtype = kept(tensor.dtype, type);
    if (stored == StoredAs::kFp8) {
      const bool big =
          wanted.float8.contains(tensor.name) || (text_encoder && type && is_text_matrix(tensor));
      if (big && tensor.dtype == at::kFloat8_e4m3fn) {
        planned.dtype = tensor.dtype;
      } else if (big) {
        planned.dtype = at::kFloat8_e4m3fn;
        planned.float8 = true;
      }
    }
    plan.push_back(std::move(planned));
  }
  return plan;
}

}  // namespace ovi
