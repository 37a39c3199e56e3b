// SPDX-License-Identifier: Apache-2.0
#include "weights/layouts/stored_tensors.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "runtime/error.h"
#include "weights/manifest.h"

namespace ovi {
namespace {

constexpr std::string_view kWeight = ".weight", kData = "._data", kDataScale = "._scale";
constexpr std::string_view kScale = ".scale_weight", kOtherScale = ".weight_scale";

/// Ends of names that are no weights. Activations are scaled by each token's own values here.
constexpr std::array<std::string_view, 5> kOthers = {
    ".input_scale", ".output_scale", ".scale_input", ".scale_output", ".comfy_quant"};
/// The same as whole names, alone or below a prefix.
constexpr std::array<std::string_view, 2> kMarkers = {"scaled_fp8", "spiece_model"};

bool is_marker(std::string_view name) {
  return std::any_of(kMarkers.begin(), kMarkers.end(), [&](std::string_view marker) {
    if (!name.ends_with(marker)) return false;
    return name.size() == marker.size() || name[name.size() - marker.size() - 1] == '.';
  });
}

std::string without(const std::string& name, std::string_view ending) {
  return name.substr(0, name.size() - ending.size());
}

/// Something that `stored_tensors` gives as part of another tensor, or not at all.
bool is_beside(const TensorSource& source, const std::string& name) {
  if (is_marker(name)) return true;
  for (const std::string_view other : kOthers) {
    if (name.ends_with(other)) return true;
  }
  if (name.ends_with(kDataScale)) {
    return source.find(without(name, kDataScale) + std::string(kData)) != nullptr;
  }
  for (const std::string_view scale : {kScale, kOtherScale}) {
    if (name.ends_with(scale)) {
      return source.find(without(name, scale) + std::string(kWeight)) != nullptr;
    }
  }
  return false;
}

/// A matrix of 8-bit floats in a block, which has a scale where others have one.
bool is_float8_matrix(const TensorInfo& info) {
  return info.shape.size() == 2 && info.dtype == at::kFloat8_e4m3fn &&
         info.name.ends_with(kWeight) && block_of(info.name) >= 0;
}

std::string scale_of(const TensorSource& source, const std::string& name) {
  if (name.ends_with(kData)) {
    std::string scale = without(name, kData) + std::string(kDataScale);
    return source.find(scale) ? scale : std::string();
  }
  if (!name.ends_with(kWeight)) return {};
  std::string found;
  for (const std::string_view ending : {kScale, kOtherScale}) {
    std::string scale = without(name, kWeight) + std::string(ending);
    if (!source.find(scale)) continue;
    if (!found.empty()) {
      throw Error(ErrorKind::kFormat, "'" + source.path() + "' has two scales of '" + name +
                                          "', '" + found + "' and '" + scale +
                                          "': download the file again.");
    }
    found = std::move(scale);
  }
  return found;
}

[[noreturn]] void lacks_scale(const TensorSource& source, const std::string& name) {
  throw Error(ErrorKind::kFormat, "'" + source.path() + "' has the quantised tensor '" + name +
                                      "' without its scale: download the file again.");
}

}  // namespace

std::vector<StoredTensor> stored_tensors(const TensorSource& source) {
  std::vector<StoredTensor> stored;
  stored.reserve(source.tensors().size());
  const TensorInfo* scaled = nullptr;
  const TensorInfo* unscaled = nullptr;
  for (const TensorInfo& info : source.tensors()) {
    if (is_beside(source, info.name)) continue;
    StoredTensor tensor{info.name, info, scale_of(source, info.name)};
    const bool quanto = info.name.ends_with(kData);
    if (quanto) tensor.name = without(info.name, kData);
    const bool weight = quanto || info.name.ends_with(kWeight);
    if (tensor.scale.empty() && weight && (quanto || info.dtype == at::kChar)) {
      lacks_scale(source, info.name);
    }
    if (!tensor.scale.empty() && info.dtype == at::kByte) {
      throw Error(ErrorKind::kFormat, "'" + source.path() + "' has the quantised tensor '" +
                                          info.name +
                                          "' of bytes without a sign, which no program that is "
                                          "known here writes: 8-bit integers are int8.");
    }
    if (is_float8_matrix(info)) (tensor.scale.empty() ? unscaled : scaled) = &info;
    stored.push_back(std::move(tensor));
  }
  if (scaled && unscaled) lacks_scale(source, unscaled->name);
  return stored;
}

}  // namespace ovi
