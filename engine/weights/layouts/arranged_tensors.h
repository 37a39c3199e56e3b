// Tensors of one or more files under other names, scales applied.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

/// What a model and its loaders see where a file is not laid out as the reference's. A tensor
/// without a scale is its file's own. One with a scale shows itself as float32: read() and
/// view() give value * scale, computed in float32 and rounded once to the dtype that is wanted.
/// quantized() has what is stored.
class ArrangedTensors final : public TensorSource {
 public:
  /// `path`: for messages.
  explicit ArrangedTensors(std::string path) : path_(std::move(path)) {}

  /// Throws Error(kFormat) that names file and tensor for a name that is there already, and for a
  /// scale that is neither one number nor one a row. `stored` is in `source`; `scale` too, or
  /// empty.
  void add(const std::string& name, const std::shared_ptr<const TensorSource>& source,
           const std::string& stored, const std::string& scale = {});

  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override;
  at::Tensor view(const std::string& name) const override;
  void read(const std::string& name, int64_t first, at::Tensor to) const override;
  bool is_mapped(const std::string& name) const override;
  void check() const override;
  std::optional<QuantizedTensor> quantized(const std::string& name) const override;

 private:
  struct Place {
    std::shared_ptr<const TensorSource> source;
    std::string stored, scale;
  };

  const Place& place_of(const std::string& name) const;
  /// float32, one or [rows]; Error(kFormat) when it holds NaN or Inf.
  at::Tensor scales_of(const Place& place) const;

  std::string path_;
  std::vector<TensorInfo> infos_;
  std::vector<Place> places_;
  std::unordered_map<std::string, size_t> index_;
  // The stored values of a tensor with a scale, under a name of their own.
  std::unordered_map<std::string, size_t> values_;
  std::vector<TensorInfo> value_infos_;
  std::vector<std::shared_ptr<const TensorSource>> sources_;
};

}  // namespace ovi
