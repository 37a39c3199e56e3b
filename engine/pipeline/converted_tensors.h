// Writes the tensors of one file in other types.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/conversion_plan.h"
#include "weights/new_file.h"
#include "weights/safetensors_layout.h"

namespace ovi {

/// One component on its way from where it is read to a safetensors file. Tensor after tensor, in
/// pieces of a few MiB: the largest of 2 GB takes no more memory than another.
class ConvertedTensors {
 public:
  /// Reads no values.
  ConvertedTensors(std::shared_ptr<const TensorSource> source, std::vector<PlannedTensor> plan,
                   Factors factors, const std::map<std::string, std::string>& metadata);

  const SafetensorsLayout& layout() const { return layout_; }

  /// `on_bytes` is told of the bytes of each piece that is written; it may throw to end it. Throws
  /// Error(kFormat) that names the tensor whose values do not fit the type (Inf, NaN), kRead as
  /// the source does, and as `to` does.
  void write(NewFile& to, const std::function<void(uint64_t bytes)>& on_bytes) const;

 private:
  std::shared_ptr<const TensorSource> source_;
  std::map<std::string, PlannedTensor> plan_;      // by the name that is written
  std::map<std::string, std::string> factors_of_;  // factors' name to the matrix's
  Factors factors_;
  SafetensorsLayout layout_;
};

}  // namespace ovi
