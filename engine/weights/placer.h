// How the tensors of a model get from their file to where the model uses them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/residency.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Makes one tensor for each name it was given with.
using MakeTensors = std::function<std::vector<at::Tensor>()>;

/// Weights asks it for one tensor after the other, in the order in which a model's
/// constructor does. Whether they come at once, were read ahead or are only there while
/// their block is entered is its own affair.
class Placer {
 public:
  virtual ~Placer() = default;

  /// A stored tensor of the model: contiguous, of `dtype`, at its place.
  virtual at::Tensor place(const TensorSource& source, const std::string& name,
                           at::ScalarType dtype) = 0;
  /// As place, for a tensor that the model makes others from and then drops.
  virtual at::Tensor lend(const TensorSource& source, const std::string& name,
                          at::ScalarType dtype) = 0;
  /// Tensors of the model that `make` makes from others that it borrows. Not called where
  /// its results are at hand.
  virtual std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                         const MakeTensors& make) = 0;

  /// What the model has to enter before it uses the weights of a block.
  virtual Residency residency() { return {}; }
};

/// What a Rehearsal heard.
struct Rehearsed {
  enum class Use { kPlace, kLend, kDerive };
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  Use use;

  int64_t count() const;  // elements
  int64_t bytes() const { return count() * static_cast<int64_t>(c10::elementSize(dtype)); }
};

/// Writes down what a model asks for and gives it tensors without memory: made over it with
/// the device kMeta, a model says what it needs, in which order, and that its shapes fit,
/// before a byte is read.
class Rehearsal : public Placer {
 public:
  at::Tensor place(const TensorSource& source, const std::string& name,
                   at::ScalarType dtype) override;
  at::Tensor lend(const TensorSource& source, const std::string& name,
                  at::ScalarType dtype) override;
  std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                 const MakeTensors& make) override;

  const std::vector<Rehearsed>& heard() const { return heard_; }
  /// Of what stays: kPlace and kDerive.
  int64_t bytes() const;

 private:
  at::Tensor hear(const std::string& name, at::ScalarType dtype, std::vector<int64_t> shape,
                  Rehearsed::Use use);

  std::vector<Rehearsed> heard_;
};

/// N of a name with the component "blocks.N", such as video_model.blocks.N.norm3.weight;
/// -1 for any other.
int64_t block_of(const std::string& name);

}  // namespace ovi
