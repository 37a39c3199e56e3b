// SPDX-License-Identifier: Apache-2.0
#include "kernels/float8_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>

#include "kernels/portable.cuh"

namespace ovi::kernels {

Float8Rows empty_float8_rows(const at::Tensor& like) {
  return {at::empty_like(like, like.options().dtype(at::kFloat8_e4m3fn)),
          at::empty({like.size(0), 1}, like.options().dtype(at::kFloat))};
}

Float8Rows twin::to_float8(const at::Tensor& rows) {
  const at::Tensor largest = at::amax(rows.abs(), {-1}, /*keepdim=*/true);
  const at::Tensor factors = at::where(largest > 0, largest / kFloat8Max, 1.0f);
  return {(rows / factors).clamp_(-kFloat8Max, kFloat8Max).to(at::kFloat8_e4m3fn), factors};
}

}  // namespace ovi::kernels
