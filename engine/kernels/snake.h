// BigVGAN's activation between two resamplers (Lee et al., arXiv 2206.04658, section 3.2).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace ovi::kernels {

/// x + sin^2(alpha x) / beta, computed at twice the sampling rate: x is doubled with the
/// low-pass filter `taps` (12 taps, symmetric, sum 1), changed, filtered again and halved;
/// beyond its ends it keeps its first and last sample.
/// x [1, C, T]; alpha and inverse_beta (1 / beta) float32 [C, 1] -> same shape and dtype
/// as x. Computed in float32 and rounded once.
at::Tensor anti_aliased_snake(const at::Tensor& x, const at::Tensor& alpha,
                              const at::Tensor& inverse_beta, const std::array<double, 12>& taps);

/// With ATen's operations: what runs without libovii2v-cuda.
namespace twin {
at::Tensor anti_aliased_snake(const at::Tensor& x, const at::Tensor& alpha,
                              const at::Tensor& inverse_beta, const std::array<double, 12>& taps);
}

/// The GPU kernel's body on the host: what runs on the CPU.
namespace host {
at::Tensor anti_aliased_snake(const at::Tensor& x, const at::Tensor& alpha,
                              const at::Tensor& inverse_beta, const std::array<double, 12>& taps);
}

}  // namespace ovi::kernels
