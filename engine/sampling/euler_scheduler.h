// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampling/scheduler.h"

namespace ovi {

/// Euler steps along the velocity (Esser et al. 2024, arXiv 2403.03206). The
/// shifted noise levels end at the shifted 1/1000 before the final 0.
class EulerScheduler final : public Scheduler {
 public:
  EulerScheduler(int64_t steps, double shift);
  at::Tensor step(int64_t step, const at::Tensor& velocity, const at::Tensor& sample) override;
};

}  // namespace ovi
