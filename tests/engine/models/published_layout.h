// Names, dtypes and shapes of the published checkpoints, as weight files without values.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi::testing {

/// Which of the dtypes of a line such as "NAME BF16|F8_E4M3 3072 3072"; a line with one has
/// the same in every file.
enum class PublishedFile { kWide, kFloat8 };

/// Expands published/`part`.txt: a line a tensor, name, dtype and extents; {0-3,5,a} in a name
/// stands for each of 0, 1, 2, 3, 5, a. Throws where the text is not that, names a tensor
/// twice, or does not hold as many as its head says.
std::vector<TensorInfo> published_layout(const std::string& part,
                                         PublishedFile file = PublishedFile::kWide);

/// A weight file of which only the headers are there. Views are without memory too.
class Headers final : public TensorSource {
 public:
  explicit Headers(std::vector<TensorInfo> tensors);

  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const TensorInfo* find(const std::string& name) const override;
  at::Tensor view(const std::string& name) const override;

  /// What was asked for with view().
  const std::vector<std::string>& viewed() const { return viewed_; }

 private:
  std::string path_ = "published";
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t> index_;
  mutable std::vector<std::string> viewed_;
};

}  // namespace ovi::testing
