// SPDX-License-Identifier: Apache-2.0
#include "weights/held_tensors.h"

#include <utility>

namespace ovi {

HeldTensors::HeldTensors(std::shared_ptr<const TensorSource> file)
    : file_(std::move(file)), infos_(file_->tensors()) {
  for (size_t i = 0; i < infos_.size(); ++i) index_.emplace(infos_[i].name, i);
}

const TensorInfo* HeldTensors::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &infos_[found->second];
}

const at::Tensor* HeldTensors::held(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = held_.find(name);
  return found == held_.end() ? nullptr : &found->second;
}

at::Tensor HeldTensors::view(const std::string& name) const {
  if (const at::Tensor* tensor = held(name)) return *tensor;
  at::Tensor tensor = file_->view(name);
  const std::lock_guard<std::mutex> lock(mutex_);
  return holds_ ? held_.emplace(name, std::move(tensor)).first->second : tensor;
}

void HeldTensors::read(const std::string& name, int64_t first, at::Tensor to) const {
  if (held(name)) {
    TensorSource::read(name, first, std::move(to));
  } else {
    file_->read(name, first, std::move(to));
  }
}

bool HeldTensors::is_mapped(const std::string& name) const {
  const TensorInfo* info = find(name);
  const TensorInfo* stored = file_->find(name);
  return info && stored && info->dtype == stored->dtype && file_->is_mapped(name);
}

void HeldTensors::round(const std::string& name, at::ScalarType dtype) {
  at::Tensor rounded = view(name).to(dtype);
  const std::lock_guard<std::mutex> lock(mutex_);
  held_.insert_or_assign(name, std::move(rounded));
  infos_[index_.at(name)].dtype = dtype;
}

void HeldTensors::let_go() {
  const std::lock_guard<std::mutex> lock(mutex_);
  holds_ = false;
  held_.clear();
  infos_ = file_->tensors();
}

}  // namespace ovi
