// Layer norm (Ba et al. 2016) with scale and shift of a row, plain or modulated by the
// time (adaLN: DiT, Peebles and Xie 2023, section 3.2). Computed in float32 and rounded
// once, to x's type. One pass over x on a GPU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/float8_rows.h"
#include "kernels/time_rows.h"

namespace ovi::kernels {

/// What becomes of a normalised row n: n * (scale + offset) + shift. Undefined scale or
/// shift: left out.
struct RowScale {
  at::Tensor scale, shift;  // [time rows, D], dense along D, x's dtype
  double offset = 0;
  TimeRows rows;
};
/// n * (1 + scale) + shift, scale and shift [time rows, D].
RowScale modulated(const at::Tensor& shift, const at::Tensor& scale, TimeRows rows);
/// n * weight + bias, both [D] or undefined.
RowScale affine(const at::Tensor& weight, const at::Tensor& bias);

/// Norm over the last dimension of x [..., D], scaled; same shape and dtype.
at::Tensor layer_norm(const at::Tensor& x, const RowScale& scale, double eps);

/// x [L, D] <- x + y * gate, in place, and the norm of the new x: returns [L, D]. gate
/// [time rows, D] goes by scale.rows; undefined: 1.
at::Tensor add_gated_layer_norm_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                 const RowScale& scale, double eps);

/// Two results of one norm.
template <typename Rows>
struct Both {
  Rows first, second;
};
/// x [L, D] <- x + y * gate, in place, gate [time rows, D] by `rows`; and the norm of the new x,
/// scaled in two ways, both affine.
Both<at::Tensor> add_gated_layer_norms_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        TimeRows rows, const RowScale& first,
                                        const RowScale& second, double eps);

/// layer_norm() of x [L, D], quantised row by row without rounding in between.
Float8Rows layer_norm_float8(const at::Tensor& x, const RowScale& scale, double eps);
/// add_gated_layer_norm_(), its result quantised in the same way.
Float8Rows add_gated_layer_norm_float8_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        const RowScale& scale, double eps);
/// add_gated_layer_norms_(), likewise.
Both<Float8Rows> add_gated_layer_norms_float8_(at::Tensor x, const at::Tensor& y,
                                               const at::Tensor& gate, TimeRows rows,
                                               const RowScale& first, const RowScale& second,
                                               double eps);

/// With ATen's operations: what runs on the CPU and without libovii2v-cuda.
namespace twin {
at::Tensor layer_norm(const at::Tensor& x, const RowScale& scale, double eps);
at::Tensor add_gated_layer_norm_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                 const RowScale& scale, double eps);
Both<at::Tensor> add_gated_layer_norms_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        TimeRows rows, const RowScale& first,
                                        const RowScale& second, double eps);
Float8Rows layer_norm_float8(const at::Tensor& x, const RowScale& scale, double eps);
Float8Rows add_gated_layer_norm_float8_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        const RowScale& scale, double eps);
Both<Float8Rows> add_gated_layer_norms_float8_(at::Tensor x, const at::Tensor& y,
                                               const at::Tensor& gate, TimeRows rows,
                                               const RowScale& first, const RowScale& second,
                                               double eps);
}  // namespace twin

/// The GPU kernel's body on the host, for tests. Throws std::bad_optional_access where
/// the kernel does not know such tensors.
namespace host {
at::Tensor layer_norm(const at::Tensor& x, const RowScale& scale, double eps);
at::Tensor add_gated_layer_norm_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                 const RowScale& scale, double eps);
Both<at::Tensor> add_gated_layer_norms_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        TimeRows rows, const RowScale& first,
                                        const RowScale& second, double eps);
Float8Rows layer_norm_float8(const at::Tensor& x, const RowScale& scale, double eps);
Float8Rows add_gated_layer_norm_float8_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        const RowScale& scale, double eps);
Both<Float8Rows> add_gated_layer_norms_float8_(at::Tensor x, const at::Tensor& y,
                                               const at::Tensor& gate, TimeRows rows,
                                               const RowScale& first, const RowScale& second,
                                               double eps);
}  // namespace host

}  // namespace ovi::kernels
