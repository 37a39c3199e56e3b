// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

struct __nv_bfloat16 {
  uint16_t bits;
};
inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }

/// The nearer one of the two bfloat16 that x lies between; of equally near ones the even one.
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  if (std::isnan(x)) return {0x7fff};
  const uint32_t bits = std::bit_cast<uint32_t>(x), low = bits & 0xffff;
  const uint32_t below = bits >> 16;
  const bool up = low > 0x8000 || (low == 0x8000 && below % 2 == 1);
  return {static_cast<uint16_t>(below + (up ? 1 : 0))};
}
