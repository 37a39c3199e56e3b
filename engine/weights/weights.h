// A model's view of its weights: names below a prefix, checked shapes, and the
// dtype and device that they are to end up with.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weights/tensor_source.h"
#include "weights/weight_loader.h"

namespace ovi {

/// Matches any extent in an expected shape.
inline constexpr int64_t kAny = -1;

/// Where weights go. A tensor that already fits is used in place (mapped).
struct Placement {
  at::ScalarType dtype = at::kFloat;
  c10::Device device = c10::kCPU;
  /// Called with the bytes of each tensor taken; may throw to stop the load.
  std::function<void(int64_t bytes)> on_bytes;
  /// Large matrices become 8-bit floats with a factor a row, by the layers that have them.
  bool float8_matrices = false;
  /// Then also: the device multiplies 8-bit integers, which stay as a file has them.
  bool int8_matrices = false;
  /// How they get there. Null: each when it is asked for.
  std::shared_ptr<WeightLoader> loader;
};

/// Cheap to copy. All `get` functions throw Error(kFormat) that names file,
/// tensor, expected and found shape.
class Weights {
 public:
  Weights(std::shared_ptr<const TensorSource> source, Placement placement, std::string prefix = {});

  /// The weights below `prefix.name.`.
  Weights at(const std::string& name) const;
  Weights at(int64_t index) const { return at(std::to_string(index)); }

  bool has(const std::string& name) const;
  /// True when any tensor's name starts with `prefix.name.`.
  bool has_any_below(const std::string& name) const;
  /// Shape of a tensor that must be there, with as many dimensions as `rank`
  /// (0: any).
  std::vector<int64_t> shape(const std::string& name, size_t rank = 0) const;
  /// How many of `0., 1., 2., ...` follow the prefix without a gap. Throws Error(kFormat) for
  /// more than 256, which no published part comes near.
  int64_t count() const;

  /// In the placement's dtype and device; `expected` may hold kAny.
  at::Tensor get(const std::string& name, const std::vector<int64_t>& expected) const;
  /// As get, but an undefined tensor when it is not there.
  at::Tensor get_optional(const std::string& name, const std::vector<int64_t>& expected) const;
  /// In the stored dtype, mapped on the host whatever the placement says: for
  /// tables of which a few rows are used.
  at::Tensor get_mapped(const std::string& name, const std::vector<int64_t>& expected) const;
  /// As get_mapped, but the values alone where they are stored apart from their scales.
  at::Tensor get_stored(const std::string& name, const std::vector<int64_t>& expected) const;
  /// As get, but kept in float32 whatever the placement says.
  at::Tensor get_float(const std::string& name, const std::vector<int64_t>& expected) const;

  /// As get, but in `dtype` whatever the placement says.
  at::Tensor get_as(const std::string& name, const std::vector<int64_t>& expected,
                    at::ScalarType dtype) const;
  /// The dtype of a tensor that must be there, in its file.
  at::ScalarType stored_dtype(const std::string& name) const;

  /// How it is stored, where its file keeps values and scales apart.
  std::optional<QuantizedTensor> quantized(const std::string& name) const;
  /// The values alone of such a tensor, as stored, on the placement's device.
  at::Tensor get_values(const std::string& name, const std::vector<int64_t>& expected) const;

  /// As get, for a tensor that is only needed to make others from, inside derive().
  at::Tensor get_temporary(const std::string& name, const std::vector<int64_t>& expected) const;
  /// Tensors that `make` makes from temporary ones, such as a matrix in fewer bits and its
  /// scales, placed as get() places. `names` are new ones below the prefix, one for each.
  std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                 const MakeTensors& make) const;

  /// For a model that computes block by block; null where nothing is to be done around them.
  std::shared_ptr<BlockHooks> block_hooks() const;

  const Placement& placement() const { return placement_; }
  const std::string& path() const { return source_->path(); }
  std::string full_name(const std::string& name) const;

 private:
  /// Checks that it is there and its shape.
  const TensorInfo& look_up(const std::string& name, const std::vector<int64_t>& expected) const;
  at::Tensor take(const std::string& name, const std::vector<int64_t>& expected,
                  at::ScalarType dtype, bool stays = true) const;

  std::shared_ptr<const TensorSource> source_;
  Placement placement_;
  std::string prefix_;  // empty or ends with '.'
};

}  // namespace ovi
