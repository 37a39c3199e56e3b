// A model's view of its weights: names below a prefix, checked shapes, and the
// dtype and device that they are to end up with.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

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
  /// How many of `0., 1., 2., ...` follow the prefix without a gap.
  int64_t count() const;

  /// In the placement's dtype and device; `expected` may hold kAny.
  at::Tensor get(const std::string& name, const std::vector<int64_t>& expected) const;
  /// As get, but an undefined tensor when it is not there.
  at::Tensor get_optional(const std::string& name, const std::vector<int64_t>& expected) const;
  /// In the stored dtype, mapped on the host whatever the placement says: for
  /// tables of which a few rows are used.
  at::Tensor get_mapped(const std::string& name, const std::vector<int64_t>& expected) const;
  /// As get, but kept in float32 whatever the placement says.
  at::Tensor get_float(const std::string& name, const std::vector<int64_t>& expected) const;

  /// As get, but in `dtype` whatever the placement says.
  at::Tensor get_as(const std::string& name, const std::vector<int64_t>& expected,
                    at::ScalarType dtype) const;
  /// The dtype of a tensor that must be there, in its file.
  at::ScalarType stored_dtype(const std::string& name) const;

  /// As get, for a tensor that is only needed to make others from, which put() then places.
  at::Tensor borrow(const std::string& name, const std::vector<int64_t>& expected) const;
  /// Places a tensor that was made from others; `name` has to be different from those of
  /// all others.
  at::Tensor put(const std::string& name, const at::Tensor& made) const;

  const Placement& placement() const { return placement_; }
  const std::string& path() const { return source_->path(); }
  std::string full_name(const std::string& name) const;

 private:
  at::Tensor take(const std::string& name, const std::vector<int64_t>& expected,
                  at::ScalarType dtype) const;

  std::shared_ptr<const TensorSource> source_;
  Placement placement_;
  std::string prefix_;  // empty or ends with '.'
};

}  // namespace ovi
