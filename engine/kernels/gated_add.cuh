// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/items.cuh"

namespace ovi::kernels {

struct GatedAddArgs {
  int64_t rows = 0, dim = 0, first_tokens = 0;
  Element element = Element::kFloat;
  int32_t aligned = 0;  // all rows, and those of gate, start on 16 bytes
  void* x = nullptr;
  const void* y = nullptr;
  const void* gate = nullptr;  // its first row; null: 1
  int64_t gate_last = 0;       // elements from gate's first row to its last
};

/// x <- x + y * gate, kWidth elements an item.
template <typename T, int kWidth>
struct GatedAdd {
  GatedAddArgs a;

  int64_t items() const { return a.rows * a.dim / kWidth; }

  OVI_PORTABLE void item(int64_t index) const {
    using namespace portable;
    const auto [row, place] = divide(index, a.dim / kWidth);
    T* at = static_cast<T*>(a.x) + index * kWidth;
    auto x = load<kWidth>(static_cast<const T*>(at));
    const auto y = load<kWidth>(static_cast<const T*>(a.y) + index * kWidth);
    if (a.gate) {
      const T* gate = static_cast<const T*>(a.gate) + (row < a.first_tokens ? 0 : a.gate_last);
      const auto factor = load<kWidth>(gate + place * kWidth);
      for (int i = 0; i < kWidth; ++i)
        x.v[i] = round_to<T>(to_float(x.v[i]) + to_float(y.v[i]) * to_float(factor.v[i]));
    } else {
      for (int i = 0; i < kWidth; ++i) x.v[i] = round_to<T>(to_float(x.v[i]) + to_float(y.v[i]));
    }
    store<kWidth>(at, x);
  }
};

/// Calls use(body) with the body of the arguments' type and alignment.
template <typename Use>
auto with_gated_add(const GatedAddArgs& a, Use use) {
  const auto of_type = [&](auto zero) {
    using T = decltype(zero);
    constexpr int kWide = portable::kWide<T>;
    return a.aligned && a.dim % kWide == 0 ? use(GatedAdd<T, kWide>{a}) : use(GatedAdd<T, 1>{a});
  };
  return a.element == Element::kFloat ? of_type(float()) : of_type(Bfloat16());
}

}  // namespace ovi::kernels
