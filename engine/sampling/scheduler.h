// What turns predicted velocities into cleaner latents, step by step.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ovi {

enum class Solver { kUnipc, kDpmpp, kEuler };

/// "unipc", "dpm++" or "euler"; throws Error(kSettings) for another name.
Solver solver_of(const std::string& name);

/// A flow-matching solver: x_sigma = (1 - sigma) x_0 + sigma noise, sigma from near 1
/// to 0, and the model predicts the velocity noise - x_0 (Lipman et al. 2023).
/// Tables are float64 on the host, so a step needs nothing from the device.
/// One scheduler per latent stream: multistep solvers remember earlier steps.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// What the model is told, 0..1000, one per step.
  const std::vector<double>& timesteps() const { return timesteps_; }
  /// Noise levels, one more than steps; the last is 0.
  const std::vector<double>& sigmas() const { return sigmas_; }
  int64_t steps() const { return static_cast<int64_t>(timesteps_.size()); }

  /// The sample at sigmas()[step + 1] from that at sigmas()[step]. Steps must be
  /// taken in order, starting with 0. Contiguous float32 of one shape.
  virtual at::Tensor step(int64_t step, const at::Tensor& velocity, const at::Tensor& sample) = 0;

  /// The clean sample x_0 that the model sees in `sample`, at sigmas()[step]. Of any one float
  /// type and shape, also of a part of what step() takes; remembers nothing.
  at::Tensor clean(int64_t step, const at::Tensor& velocity, const at::Tensor& sample) const;

 protected:
  std::vector<double> timesteps_, sigmas_;
};

/// `steps` >= 1, `shift` > 0 (1: none); throws Error(kSettings) otherwise.
std::unique_ptr<Scheduler> make_scheduler(Solver solver, int64_t steps, double shift);

/// sigma' = shift sigma / (1 + (shift - 1) sigma): more steps where it is noisy
/// (Esser et al. 2024, arXiv 2403.03206, equation 23).
double shift_sigma(double sigma, double shift);

/// log((1 - sigma) / sigma), half the log signal-to-noise ratio; +-inf at the ends.
double half_log_snr(double sigma);

/// `count` values from `first` to `last`, both included (count 1: `first`).
std::vector<double> linspace(double first, double last, int64_t count);

}  // namespace ovi
