// SPDX-License-Identifier: Apache-2.0
#include "sampling/magnitude_meter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

namespace ovi {

void MagnitudeMeter::add(MagnitudeCurve curve, const at::Tensor& residual) {
  const auto c = static_cast<size_t>(curve);
  at::Tensor norms =
      at::linalg_vector_norm(residual, 2, at::IntArrayRef{-1}, /*keepdim=*/false, at::kFloat);
  if (norms_[c].defined()) ratios_[c].push_back((norms / norms_[c]).mean());
  norms_[c] = std::move(norms);
}

MagnitudeRatios MagnitudeMeter::ratios() const {
  MagnitudeRatios measured;
  measured.timesteps = timesteps_;
  for (size_t c = 0; c < kMagnitudeCurves; ++c) {
    if (ratios_[c].empty()) {
      if (c % 2 == 1) measured.ratios[c] = measured.ratios[c - 1];
      continue;
    }
    const at::Tensor values = at::stack(ratios_[c]).to(at::kCPU, at::kDouble);
    const double* first = values.const_data_ptr<double>();
    measured.ratios[c].assign(first, first + values.numel());
  }
  return measured;
}

}  // namespace ovi
