// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampling/scheduler.h"

namespace ovi {

/// UniPC of order 2, B(h) = e^h - 1, data prediction (Zhao et al. 2023, arXiv
/// 2302.04867, algorithms 5 and 6), on flow-matching noise levels: each step first
/// corrects the sample with the new prediction, then predicts the next one.
class UnipcScheduler final : public Scheduler {
 public:
  UnipcScheduler(int64_t steps, double shift);
  at::Tensor step(int64_t step, const at::Tensor& velocity, const at::Tensor& sample) override;

 private:
  at::Tensor correct(int64_t step, const at::Tensor& clean) const;

  at::Tensor clean_[2];       // x_0 as predicted one and two steps ago
  at::Tensor last_sample_;    // the corrected sample the last prediction started from
  int64_t last_order_ = 0;
};

}  // namespace ovi
