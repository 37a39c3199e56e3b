// SPDX-License-Identifier: Apache-2.0
#include "sampling/euler_scheduler.h"

#include "sampling/linear_combination.h"

namespace ovi {

EulerScheduler::EulerScheduler(int64_t steps, double shift) {
  // The published schedule shifts twice: once for the range, once for each step.
  const double lowest = shift_sigma(1.0 / 1000.0, shift);
  for (const double sigma : linspace(1.0, lowest, steps)) {
    const double shifted = static_cast<float>(shift_sigma(sigma, shift));
    sigmas_.push_back(shifted);
    timesteps_.push_back(shifted * 1000.0);
  }
  sigmas_.push_back(0.0);
}

at::Tensor EulerScheduler::step(int64_t step, const at::Tensor& velocity,
                                const at::Tensor& sample) {
  return linear_combination({{1.0, sample}, {sigmas_[step + 1] - sigmas_[step], velocity}});
}

}  // namespace ovi
