// What makes queries and keys of projected tokens: RMS norm (Zhang and Sennrich 2019)
// over all heads together, then rotary positions (Su et al. 2021) head by head.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace ovi::kernels {

/// x [L, heads * d], weight [heads * d] of x's dtype, rotations complex64 [L, 1, d / 2]
/// -> [L, heads, d]. Computed in float32 and rounded once, to x's dtype.
at::Tensor rms_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads,
                         const at::Tensor& rotations);

/// The norm alone: [L, heads, d].
at::Tensor rms_norm_heads(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads);

/// Both of one x, for a query that meets keys with positions and keys without.
struct TurnedAndPlain {
  at::Tensor turned, plain;  // [L, heads, d]
};
TurnedAndPlain rms_norm_with_and_without_rope(const at::Tensor& x, const at::Tensor& weight,
                                              double eps, int64_t heads,
                                              const at::Tensor& rotations);

/// With ATen's operations: what runs without libovii2v-cuda, and on the CPU where heads are
/// not a multiple of 16.
namespace twin {
at::Tensor rms_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads,
                         const at::Tensor& rotations);
at::Tensor rms_norm_heads(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads);
TurnedAndPlain rms_norm_with_and_without_rope(const at::Tensor& x, const at::Tensor& weight,
                                              double eps, int64_t heads,
                                              const at::Tensor& rotations);
}  // namespace twin

/// The GPU kernel's body on the host; undefined rotations: no turned.
namespace host {
TurnedAndPlain rms_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps,
                             int64_t heads, const at::Tensor& rotations, bool plain);
}  // namespace host

}  // namespace ovi::kernels
