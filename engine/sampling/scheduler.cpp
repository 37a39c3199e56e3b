// SPDX-License-Identifier: Apache-2.0
#include "sampling/scheduler.h"

#include <ATen/ops/sub.h>

#include <cmath>
#include <string>

#include "runtime/decimal.h"
#include "runtime/error.h"
#include "sampling/dpmpp_scheduler.h"
#include "sampling/euler_scheduler.h"
#include "sampling/unipc_scheduler.h"

namespace ovi {

Solver solver_of(const std::string& name) {
  if (name == "unipc") return Solver::kUnipc;
  if (name == "dpm++") return Solver::kDpmpp;
  if (name == "euler") return Solver::kEuler;
  throw Error(ErrorKind::kSettings,
              "Unknown solver \"" + name + "\"; use unipc, dpm++ or euler.");
}

at::Tensor Scheduler::clean(int64_t step, const at::Tensor& velocity,
                            const at::Tensor& sample) const {
  return at::sub(sample, velocity, sigmas_[step]);
}

double shift_sigma(double sigma, double shift) {
  return shift * sigma / (1.0 + (shift - 1.0) * sigma);
}

double half_log_snr(double sigma) { return std::log(1.0 - sigma) - std::log(sigma); }

std::vector<double> linspace(double first, double last, int64_t count) {
  std::vector<double> values(count, first);
  const double delta = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0.0;
  for (int64_t i = 1; i < count; ++i) values[i] = first + delta * static_cast<double>(i);
  if (count > 1) values.back() = last;
  return values;
}

std::unique_ptr<Scheduler> make_scheduler(Solver solver, int64_t steps, double shift) {
  if (steps < 1 || steps > 1000) {
    throw Error(ErrorKind::kSettings,
                "steps is " + std::to_string(steps) + "; it must be 1 to 1000 (50 is usual).");
  }
  if (!(shift > 0.0) || !std::isfinite(shift)) {
    throw Error(ErrorKind::kSettings,
                "shift is " + decimal(shift) + "; it must be above 0 (5 is usual).");
  }
  switch (solver) {
    case Solver::kUnipc:
      return std::make_unique<UnipcScheduler>(steps, shift);
    case Solver::kDpmpp:
      return std::make_unique<DpmppScheduler>(steps, shift);
    case Solver::kEuler:
      return std::make_unique<EulerScheduler>(steps, shift);
  }
  throw Error(ErrorKind::kSettings, "Unknown solver; use unipc, dpm++ or euler.");
}

}  // namespace ovi
