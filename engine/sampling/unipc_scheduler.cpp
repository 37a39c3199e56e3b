// SPDX-License-Identifier: Apache-2.0
#include "sampling/unipc_scheduler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "sampling/linear_combination.h"

namespace ovi {
namespace {

constexpr int64_t kOrder = 2;

// Host constants of one interval, from sigma `from` to sigma `to`.
struct Interval {
  double ratio;   // weight of the sample: to / from
  double weight;  // alpha (1 - e^-h), weight of the predicted clean sample
  double b1, b2;  // right-hand side of the order conditions, already over B(h)
  double h;

  Interval(double from, double to) : ratio(to / from), h(half_log_snr(to) - half_log_snr(from)) {
    const double expm1 = std::expm1(-h);
    weight = -(1.0 - to) * expm1;
    const double phi2 = expm1 / -h - 1.0, phi3 = phi2 / -h - 0.5;
    b1 = phi2 / expm1;
    b2 = 2.0 * phi3 / expm1;
  }
};

}  // namespace

UnipcScheduler::UnipcScheduler(int64_t steps, double shift) {
  // The published table starts at the noise level 1 - 1/1000, kept in float32.
  const double highest = static_cast<float>(1.0 - 1.0 / 1000.0);
  for (const double sigma : linspace(highest, 0.0, steps + 1)) {
    const double shifted = shift_sigma(sigma, shift);
    sigmas_.push_back(static_cast<float>(shifted));
    timesteps_.push_back(std::trunc(shifted * 1000.0));
  }
  timesteps_.pop_back();
}

at::Tensor UnipcScheduler::correct(int64_t step, const at::Tensor& clean) const {
  const Interval interval(sigmas_[step - 1], sigmas_[step]);
  std::vector<Term> x = {{interval.ratio, last_sample_}, {interval.weight, clean_[0]}};
  double rho = 0.5;  // weight of the newest difference at order 1
  if (last_order_ == 2) {
    // rho1 + rho = b1 and rk rho1 + rho = b2; written so that rk = -inf (a first
    // level of pure noise) leaves out the old difference.
    const double rk =
        (half_log_snr(sigmas_[step - 2]) - half_log_snr(sigmas_[step - 1])) / interval.h;
    const double rho1 = (interval.b1 - interval.b2) / (1.0 - rk);
    rho = interval.b1 - rho1;
    const double w = interval.weight * rho1 / rk;
    x[1].weight -= w;
    x.push_back({w, clean_[1]});
  }
  x[1].weight -= interval.weight * rho;
  x.push_back({interval.weight * rho, clean});
  return linear_combination(x);
}

at::Tensor UnipcScheduler::step(int64_t step, const at::Tensor& velocity,
                                const at::Tensor& sample) {
  const at::Tensor clean = linear_combination({{1.0, sample}, {-sigmas_[step], velocity}});  // x_0
  at::Tensor corrected = step > 0 ? correct(step, clean) : sample;

  clean_[1] = clean_[0];
  clean_[0] = clean;
  last_order_ = std::min({kOrder, step + 1, steps() - step});
  last_sample_ = corrected;

  const Interval interval(sigmas_[step], sigmas_[step + 1]);
  std::vector<Term> next = {{interval.ratio, corrected}, {interval.weight, clean}};
  if (last_order_ == 2) {
    const double rk = (half_log_snr(sigmas_[step - 1]) - half_log_snr(sigmas_[step])) / interval.h;
    const double w = interval.weight * 0.5 / rk;
    next[1].weight -= w;
    next.push_back({w, clean_[1]});
  }
  return linear_combination(next);
}

}  // namespace ovi
