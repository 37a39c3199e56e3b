// What rank 0 of a group makes of a request, and the other ranks take over from it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/group.h"
#include "pipeline/noise.h"
#include "sampling/step_policy.h"

namespace ovi {

/// Without a group each function gives back what it is given. With one each is a collective; what
/// the others give is not looked at.
class SharedInputs {
 public:
  /// `group` may be null.
  SharedInputs(std::shared_ptr<parallel::Group> group, const c10::Device& device)
      : group_(group && group->size() > 1 ? std::move(group) : nullptr), device_(device) {}

  /// Whether it is this rank that makes them.
  bool made_here() const { return !group_ || group_->rank() == 0; }

  /// What the steps compute: the same on all ranks, whatever is in their model folders. `own` has
  /// as many steps everywhere.
  StepPolicy policy(StepPolicy own) const;
  /// `count` embeddings [n, dim] of `dtype`, n as it comes.
  std::vector<at::Tensor> texts(std::vector<at::Tensor> own, int64_t count,
                                at::ScalarType dtype) const;
  /// Of the first frame, float32 of this shape.
  at::Tensor image_latents(at::Tensor own, at::IntArrayRef shape) const;
  /// Of these shapes, in float32 where there is a group. Handed on and not drawn anew on each
  /// rank: a seed gives other numbers on another kind of device.
  Latents noise(Latents own, at::IntArrayRef video, at::IntArrayRef audio) const;

 private:
  at::Tensor from_first(at::Tensor own, at::IntArrayRef shape, at::ScalarType dtype) const;
  std::vector<int64_t> from_first(std::vector<int64_t> own) const;  // of one size everywhere

  std::shared_ptr<parallel::Group> group_;
  c10::Device device_;
};

}  // namespace ovi
