// Measures, during a run in full, what acceleration reuses by.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <vector>

#include "sampling/magnitude_table.h"

namespace ovi {

/// Gathers on the device and reads nothing back before ratios(), so that it can run along
/// with any generation.
class MagnitudeMeter {
 public:
  /// A step begins; what follows belongs to it.
  void begin_step(double timestep) { timesteps_.push_back(timestep); }
  /// What the blocks added in this step: [tokens, D], any dtype; once a curve and step.
  void add(MagnitudeCurve curve, const at::Tensor& residual);

  /// Of all steps so far. A curve that was never added takes the positive one of its stream:
  /// without guidance there is no negative pass.
  MagnitudeRatios ratios() const;

 private:
  std::vector<double> timesteps_;
  std::array<at::Tensor, kMagnitudeCurves> norms_;  // [tokens] float32, of the last step
  std::array<std::vector<at::Tensor>, kMagnitudeCurves> ratios_;  // scalars
};

}  // namespace ovi
