// The packer's body, byte for byte against its twin, whose values the tests of
// pipeline/clip_format work out by hand.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/pack_pixels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

namespace ovi::kernels {
namespace {

constexpr Pixels kAll[] = {Pixels::kRgb, Pixels::kRgba, Pixels::kBgrx, Pixels::kI420,
                           Pixels::kNv12};

void expect_same_bytes(const at::Tensor& video) {
  for (const Pixels pixels : kAll) {
    SCOPED_TRACE(static_cast<int>(pixels));
    const at::Tensor expected = twin::pack_pixels(video, pixels);
    EXPECT_TRUE(host::pack_pixels(video, pixels).equal(expected));
    EXPECT_TRUE(pack_pixels(video, pixels).equal(expected));
  }
}

// Also colours outside -1..1, which are clipped.
at::Tensor noise(at::IntArrayRef shape) { return at::rand(shape, at::kFloat) * 2.6 - 1.3; }

TEST(PackPixels, OfPlanarVideo) {
  for (const int64_t frames : {1, 3})
    for (const int64_t height : {2, 6, 64})
      for (const int64_t width : {4, 12, 32, 96})
        expect_same_bytes(noise({3, frames, height, width}));
}

TEST(PackPixels, OfInterleavedAndCutVideo) {
  expect_same_bytes(noise({2, 8, 36, 3}).permute({3, 0, 1, 2}));
  expect_same_bytes(noise({2, 8, 36, 4}).permute({3, 0, 1, 2}).narrow(0, 0, 3));
  expect_same_bytes(noise({3, 5, 10, 40}).narrow(3, 3, 20).narrow(2, 1, 8).narrow(1, 2, 2));
}

TEST(PackPixels, OfBfloat16) { expect_same_bytes(noise({3, 2, 8, 32}).to(at::kBFloat16)); }

TEST(PackPixels, RoundsMiddlesToEven) {
  // Values whose bytes lie on and close to a half.
  const at::Tensor steps = at::linspace(-1, 1, 511, at::kFloat).narrow(0, 0, 510).repeat({2});
  for (const double nudge : {0.0, 1e-7, -1e-7})
    expect_same_bytes(
        (steps + nudge).view({1, 1, 2, 510}).narrow(3, 0, 508).expand({3, 1, 2, 508}));
}

TEST(PackPixels, LeavesOddSizesToTheTwin) {
  const at::Tensor video = noise({3, 1, 4, 6});
  EXPECT_TRUE(pack_pixels(video, Pixels::kI420).equal(twin::pack_pixels(video, Pixels::kI420)));
  const at::Tensor odd = noise({3, 1, 3, 5});
  EXPECT_TRUE(pack_pixels(odd, Pixels::kRgba).equal(twin::pack_pixels(odd, Pixels::kRgba)));
}

}  // namespace
}  // namespace ovi::kernels
