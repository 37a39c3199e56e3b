// Weights that a test makes up.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "weights/weights.h"

namespace ovi::test {

class MemorySource final : public TensorSource {
 public:
  explicit MemorySource(std::map<std::string, at::Tensor> tensors) : tensors_(std::move(tensors)) {
    for (const auto& [name, tensor] : tensors_) {
      infos_.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
    }
  }
  /// A copy of a file's tensors, to be changed.
  static std::map<std::string, at::Tensor> copy(const TensorSource& source) {
    std::map<std::string, at::Tensor> tensors;
    for (const TensorInfo& info : source.tensors()) tensors[info.name] = source.view(info.name);
    return tensors;
  }

  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override {
    for (const TensorInfo& info : infos_) {
      if (info.name == name) return &info;
    }
    return nullptr;
  }
  at::Tensor view(const std::string& name) const override {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) throw Error(ErrorKind::kFormat, name + " is not there");
    return it->second;
  }

 private:
  std::string path_ = "made-up.safetensors";
  std::map<std::string, at::Tensor> tensors_;
  std::vector<TensorInfo> infos_;
};

inline Weights made_up(std::map<std::string, at::Tensor> tensors,
                       at::ScalarType dtype = at::kFloat) {
  return Weights(std::make_shared<MemorySource>(std::move(tensors)), {dtype, c10::kCPU, {}});
}

}  // namespace ovi::test
