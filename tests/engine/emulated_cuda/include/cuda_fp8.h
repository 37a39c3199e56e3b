// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

enum __nv_saturation_t { __NV_SATFINITE };
enum __nv_fp8_interpretation_t { __NV_E4M3 };

/// By looking for it: the nearest of the 127 finite magnitudes (OCP 8-bit Floating Point
/// Specification, revision 1.0, table 1), of equally near ones the even one.
inline uint8_t __nv_cvt_float_to_fp8(float x, __nv_saturation_t, __nv_fp8_interpretation_t) {
  static const std::array<double, 127> magnitudes = [] {
    std::array<double, 127> all{};
    for (int code = 0; code < 127; ++code) {
      const int exponent = code >> 3, mantissa = code & 7;
      all[static_cast<size_t>(code)] =
          exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    }
    return all;
  }();
  if (std::isnan(x)) return 0x7f;
  const double size = std::min(std::fabs(static_cast<double>(x)), magnitudes.back());
  const auto above = std::lower_bound(magnitudes.begin(), magnitudes.end(), size);
  auto code = above - magnitudes.begin();
  if (code > 0) {
    const double nearer = (*above - size) - (size - above[-1]);
    if (nearer > 0 || (nearer == 0 && code % 2 == 1)) --code;
  }
  return static_cast<uint8_t>(code | (std::signbit(x) ? 0x80 : 0));
}
