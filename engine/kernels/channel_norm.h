// The video VAE's norm over channels (RMSNorm, Zhang and Sennrich 2019) and the
// activation that follows it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace ovi::kernels {

/// out <- x / |x| * gain over the last dimension, |x| at least 1e-12. x and out [..., C],
/// contiguous, of one shape and dtype; out is x itself or does not overlap it; gain [C],
/// float32: sqrt(C), which the VAE multiplies it by, is no number of bfloat16.
void channel_norm(const at::Tensor& x, const at::Tensor& gain, at::Tensor out);

/// out <- silu(x / |x| * gain), silu(y) = y / (1 + e^-y).
void channel_norm_silu(const at::Tensor& x, const at::Tensor& gain, at::Tensor out);

/// With ATen's operations: what runs in float32 on the CPU, and without libovii2v-cuda. In bfloat16
/// these round after every operation, for no more memory than x and out; the kernel, which the
/// CPU then runs too, once.
namespace twin {
void channel_norm(const at::Tensor& x, const at::Tensor& gain, at::Tensor out);
void channel_norm_silu(const at::Tensor& x, const at::Tensor& gain, at::Tensor out);
}  // namespace twin

/// The GPU kernel's body on the host, for tests.
namespace host {
void channel_norm(const at::Tensor& x, const at::Tensor& gain, at::Tensor out);
void channel_norm_silu(const at::Tensor& x, const at::Tensor& gain, at::Tensor out);
}  // namespace host

}  // namespace ovi::kernels
