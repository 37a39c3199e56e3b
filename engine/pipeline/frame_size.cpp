// SPDX-License-Identifier: Apache-2.0
#include "pipeline/frame_size.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace ovi {
namespace {

constexpr int64_t kUnit = 32;  // pixels: 16 of the VAE times 2 of the patches

// To the nearest, halves to even: the rounding the published sizes come from.
int64_t round_to_even(double x) { return static_cast<int64_t>(std::nearbyint(x)); }

}  // namespace

FrameSize frame_size_from_image(int64_t height, int64_t width, int64_t area) {
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  const auto error = [&](const FrameSize& size) {
    const double ratio = static_cast<double>(size.width) / static_cast<double>(size.height);
    return std::make_tuple(std::llabs(size.height * size.width - area), std::abs(ratio - aspect));
  };

  const int64_t units = std::max<int64_t>(1, area / (kUnit * kUnit));
  const int64_t middle = std::max<int64_t>(
      1, round_to_even(std::sqrt(static_cast<double>(units) / std::max(aspect, 1e-8))));
  FrameSize best;
  const auto consider = [&](int64_t rows, int64_t columns) {
    const FrameSize size{rows * kUnit, columns * kUnit};
    if (best.height == 0 || error(size) < error(best)) best = size;
  };
  for (int64_t rows = middle - 3; rows <= middle + 3; ++rows) {
    const int64_t p = std::max<int64_t>(1, rows);
    consider(p, std::max<int64_t>(1, round_to_even(static_cast<double>(p) * aspect)));
  }
  const double scale = std::sqrt(static_cast<double>(area) / (static_cast<double>(height) *
                                                              static_cast<double>(width)));
  const auto scaled = [&](int64_t side) {
    return std::max<int64_t>(1, round_to_even(static_cast<double>(side) * scale / kUnit));
  };
  consider(scaled(height), scaled(width));
  return best;
}

FrameSize frame_size_from_request(int64_t height, int64_t width, int64_t area) {
  const double scale = std::sqrt(static_cast<double>(area) / (static_cast<double>(height) *
                                                              static_cast<double>(width)));
  const auto snap = [&](int64_t side) {
    const int64_t pixels = round_to_even(static_cast<double>(side) * scale);
    return std::max<int64_t>(1, round_to_even(static_cast<double>(pixels) / kUnit)) * kUnit;
  };
  return {snap(height), snap(width)};
}

}  // namespace ovi
