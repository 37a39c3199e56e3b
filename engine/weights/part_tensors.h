// The tensors of one part of the model: none reaches it that holds NaN or Inf.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

/// A file's tensors as one part uses them. What comes out of a stage does not show every such
/// value: softmax, a maximum, or a product with 0 can lose it. So the values are looked at where
/// they are brought in: as a file is read, and after a conversion.
class PartTensors final : public TensorSource {
 public:
  /// `stage`: who uses them, for messages ("the denoising").
  PartTensors(std::shared_ptr<const TensorSource> file, std::string stage);

  const std::string& path() const override { return file_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return file_->tensors(); }
  const TensorInfo* find(const std::string& name) const override { return file_->find(name); }
  /// Not looked at: of a table that stays mapped a clip uses a few rows, which come out of the
  /// stage's result.
  at::Tensor view(const std::string& name) const override { return file_->view(name); }
  void read(const std::string& name, int64_t first, at::Tensor to) const override;
  bool is_mapped(const std::string& name) const override { return file_->is_mapped(name); }
  void check() const override { file_->check(); }
  std::optional<QuantizedTensor> quantized(const std::string& name) const override {
    return file_->quantized(name);
  }
  void require_numbers(const std::string& name, const at::Tensor& values) const override;

 private:
  /// The error of a tensor that holds no number as `dtype`.
  [[noreturn]] void refuse(const std::string& name, at::ScalarType dtype) const;

  std::shared_ptr<const TensorSource> file_;
  std::string stage_;
};

}  // namespace ovi
