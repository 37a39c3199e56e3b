// SPDX-License-Identifier: Apache-2.0
#include "sampling/dpmpp_scheduler.h"

#include <cmath>
#include <vector>

#include "sampling/linear_combination.h"

namespace ovi {

DpmppScheduler::DpmppScheduler(int64_t steps, double shift) {
  for (const double sigma : linspace(1.0, 0.0, steps + 1)) {
    const double shifted = shift_sigma(sigma, shift);
    sigmas_.push_back(static_cast<float>(shifted));
    timesteps_.push_back(std::trunc(shifted * 1000.0));
  }
  timesteps_.pop_back();
}

at::Tensor DpmppScheduler::step(int64_t step, const at::Tensor& velocity,
                                const at::Tensor& sample) {
  const double from = sigmas_[step], to = sigmas_[step + 1];
  const at::Tensor clean = linear_combination({{1.0, sample}, {-from, velocity}});  // x_0
  const double h = half_log_snr(to) - half_log_snr(from);
  // -alpha expm1(-h) weighs the prediction; it is 1 at the end, where h is infinite.
  const double weight = -(1.0 - to) * std::expm1(-h);
  std::vector<Term> next = {{to / from, sample}, {weight, clean}};
  if (previous_clean_.defined() && step + 1 < steps()) {
    const double r = (half_log_snr(from) - half_log_snr(sigmas_[step - 1])) / h;
    next[1].weight += weight * 0.5 / r;
    next.push_back({-weight * 0.5 / r, previous_clean_});
  }
  previous_clean_ = clean;
  return linear_combination(next);
}

}  // namespace ovi
