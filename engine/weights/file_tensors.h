// The tensors of a mapped file: what a format's reader found, as a TensorSource.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "weights/mapped_file.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Where a tensor lies in its file.
struct TensorPlace {
  uint64_t offset = 0;           ///< of its first element, bytes from the file's start
  std::vector<int64_t> strides;  ///< elements
};

/// Elements from the first to one past the last that shape and strides reach;
/// 0 when there are none. Throws Error(kFormat) naming `what` for more than 64
/// dimensions, negative extents or strides, and for anything past 2^62 bytes.
uint64_t span_in_elements(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                          uint64_t element_size, const std::string& what);

/// Row-major strides. Never overflows on a shape that fits a file, which the
/// caller has to have checked.
std::vector<int64_t> row_major(const std::vector<int64_t>& shape);

class FileTensors : public TensorSource {
 public:
  explicit FileTensors(std::shared_ptr<const MappedFile> file);

  /// Throws Error(kFormat) for a second tensor of that name and Error(kRead) for
  /// one that reaches past the file's end.
  void add(TensorInfo info, TensorPlace place);

  const std::string& path() const override { return file_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override;
  /// Copied when the file does not align it to its element size, which C++ and
  /// vector instructions need; else mapped.
  at::Tensor view(const std::string& name) const override;
  void read(const std::string& name, int64_t first, at::Tensor to) const override;
  void check() const override { file_->check(); }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorInfo> infos_;
  std::vector<TensorPlace> places_;
  std::unordered_map<std::string, size_t> index_;
  uint64_t shown_ = 0;  // bytes, of all tensors
};

}  // namespace ovi
