// What a model needs of its files, known before a byte of them is read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weights/weight_loader.h"

namespace ovi {

struct Placement;
class Weights;

/// One tensor that a model needs, as it is to be on the device.
struct WeightSpec {
  enum class Use { kStored, kTemporary, kDerived };
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  Use use;

  /// False for what is dropped once others were made from it.
  bool stays() const { return use != Use::kTemporary; }
  int64_t count() const;  // elements
  int64_t bytes() const { return count() * static_cast<int64_t>(c10::elementSize(dtype)); }
};

/// In the order in which it is best read: as the model is built.
using Manifest = std::vector<WeightSpec>;

/// Builds a model by `make` without memory, on the device kMeta, and gives what it asked for.
/// Throws Error(kFormat) where a tensor is not there or has another shape.
Manifest manifest_of(std::shared_ptr<const TensorSource> source, Placement placement,
                     const std::function<void(const Weights& weights)>& make);

/// Writes down what is asked of it, and gives tensors without memory.
class ManifestRecorder : public WeightLoader {
 public:
  at::Tensor load(const TensorSource& source, const std::string& name,
                  at::ScalarType dtype) override;
  at::Tensor load_temporary(const TensorSource& source, const std::string& name,
                            at::ScalarType dtype) override;
  std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                 const MakeTensors& make) override;

  const Manifest& manifest() const { return manifest_; }

 private:
  at::Tensor record(const std::string& name, at::ScalarType dtype, std::vector<int64_t> shape,
                    WeightSpec::Use use);

  Manifest manifest_;
};

/// N of a name with the component "blocks.N", such as video_model.blocks.N.norm3.weight;
/// -1 for any other.
int64_t block_of(const std::string& name);

/// With which block each tensor of a manifest is streamed; -1: it is there always. After the last
/// block come two more, which a fusion transformer enters before its first one: the large kernels
/// of the sound's embedding, as w1 and w3, and w2. Of the published model neither is larger than
/// a block in bfloat16.
std::vector<int64_t> streamed_with(const Manifest& manifest);

}  // namespace ovi
