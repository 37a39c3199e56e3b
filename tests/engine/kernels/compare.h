// How close a kernel must be to its twin, and what both are tried on.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace ovi::kernels::test {

/// Contiguous, of normal numbers times `scale`.
inline at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype, double scale = 1) {
  return (at::randn(shape, at::kFloat) * scale).to(dtype);
}

/// Contiguous, but no element on a multiple of 16 bytes may be hoped for at its start.
inline at::Tensor misaligned(const at::Tensor& x) {
  at::Tensor space = at::empty({x.numel() + 1}, x.options());
  at::Tensor moved = space.narrow(0, 1, x.numel()).view(x.sizes());
  moved.copy_(x);
  return moved;
}

/// float32: 1e-5 of the value or of the mean size. bfloat16: both round one and the same
/// value, so they are equal but for a few that lie close to the middle of two.
inline void expect_close(const at::Tensor& got, const at::Tensor& expected,
                         double tolerance = 1e-5) {
  ASSERT_EQ(got.sizes(), expected.sizes());
  const at::Tensor g = got.to(at::kDouble), e = expected.to(at::kDouble);
  ASSERT_TRUE(g.isfinite().all().item<bool>());
  const at::Tensor off = (g - e).abs();
  if (got.scalar_type() == at::kFloat) {
    const double worst = (off / (e.abs() + e.abs().mean() + 1e-30)).max().item<double>();
    EXPECT_LE(worst, tolerance);
    return;
  }
  ASSERT_EQ(got.scalar_type(), at::kBFloat16);
  constexpr double kStep = 1.0 / 128;  // of bfloat16, relative
  EXPECT_LE((off - kStep * e.abs() - tolerance * e.abs().mean()).max().item<double>(), 0.0);
  EXPECT_LE((off > 0).sum().item<int64_t>(), 2 + off.numel() / 50);
}

}  // namespace ovi::kernels::test
