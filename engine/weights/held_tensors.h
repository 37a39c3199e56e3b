// Tensors that two users need one after the other: read from the file once.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

/// A file's tensors, of which it keeps what was viewed, and gives that again, also to read().
/// Threads may read and view at once; find() and tensors() are for others than those that call
/// round() and let_go().
class HeldTensors final : public TensorSource {
 public:
  explicit HeldTensors(std::shared_ptr<const TensorSource> file);

  const std::string& path() const override { return file_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override;
  at::Tensor view(const std::string& name) const override;
  void read(const std::string& name, int64_t first, at::Tensor to) const override;
  /// What was rounded is memory of its own.
  bool is_mapped(const std::string& name) const override;
  void check() const override { file_->check(); }

  /// From now on the tensor is one of `dtype`, as whoever comes next wants it. Throws as view().
  void round(const std::string& name, at::ScalarType dtype);
  /// Keeps nothing any more: the file's own tensors are given.
  void let_go();

 private:
  const at::Tensor* held(const std::string& name) const;

  std::shared_ptr<const TensorSource> file_;
  std::vector<TensorInfo> infos_;
  std::unordered_map<std::string, size_t> index_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, at::Tensor> held_;
  bool holds_ = true;
};

}  // namespace ovi
