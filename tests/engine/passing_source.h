// Tensors of another source, for tests that count or spoil what passes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi::test {

class PassingSource : public TensorSource {
 public:
  explicit PassingSource(std::shared_ptr<const TensorSource> inner) : inner_(std::move(inner)) {}

  const std::string& path() const override { return inner_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return inner_->tensors(); }
  const TensorInfo* find(const std::string& name) const override { return inner_->find(name); }
  at::Tensor view(const std::string& name) const override { return inner_->view(name); }
  void read(const std::string& name, int64_t first, at::Tensor to) const override {
    inner_->read(name, first, std::move(to));
  }

 private:
  std::shared_ptr<const TensorSource> inner_;
};

}  // namespace ovi::test
