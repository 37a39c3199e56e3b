// How the tensors of a model get from their file to where the model uses them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/block_hooks.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Makes one tensor for each name it was given with.
using MakeTensors = std::function<std::vector<at::Tensor>()>;

/// Weights asks it for the tensors of a model, in any order. Whether they come at once, were
/// prefetched or are only there between the hooks of their block is its own affair.
class WeightLoader {
 public:
  virtual ~WeightLoader() = default;

  /// A stored tensor of the model: contiguous, of `dtype`, at its place.
  virtual at::Tensor load(const TensorSource& source, const std::string& name,
                          at::ScalarType dtype) = 0;
  /// As load, for a tensor that the model makes others from and then drops.
  virtual at::Tensor load_temporary(const TensorSource& source, const std::string& name,
                                    at::ScalarType dtype) = 0;
  /// Tensors of the model that `make` makes from temporary ones. Not called where its results
  /// are at hand.
  virtual std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                         const MakeTensors& make) = 0;

  /// What the model has to call around each block. Null: nothing.
  virtual std::shared_ptr<BlockHooks> block_hooks() { return nullptr; }
};

}  // namespace ovi
