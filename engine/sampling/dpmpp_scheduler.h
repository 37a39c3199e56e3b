// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampling/scheduler.h"

namespace ovi {

/// DPM-Solver++(2M), midpoint form (Lu et al. 2022, arXiv 2211.01095, algorithm 2),
/// on flow-matching noise levels; first order at both ends.
class DpmppScheduler final : public Scheduler {
 public:
  DpmppScheduler(int64_t steps, double shift);
  at::Tensor step(int64_t step, const at::Tensor& velocity, const at::Tensor& sample) override;

 private:
  at::Tensor previous_clean_;  // x_0 as predicted one step ago
};

}  // namespace ovi
