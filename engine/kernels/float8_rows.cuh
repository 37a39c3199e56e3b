// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/rows.cuh"

namespace ovi::kernels {

struct Float8RowsArgs {
  int64_t rows = 0, dim = 0;
  Element element = Element::kFloat;
  int32_t aligned = 0;  // all rows start on 16 bytes
  int32_t gelu = 0;     // gelu(x) is quantised, not x
  const void* x = nullptr;
  void* out = nullptr;       // Float8
  float* factors = nullptr;  // [rows]
};

template <typename T, bool kGelu>
struct Float8Row {
  using Value = T;
  static constexpr int kNarrow = 1;
  Float8RowsArgs a;

  template <int kWidth, int kSlots, typename TeamOf>
  OVI_PORTABLE void row(int64_t row, TeamOf& team) const {
    using namespace portable;
    constexpr int kThreads = TeamOf::kThreads;
    Held<kThreads, kSlots * kWidth> held;
    const T* x = static_cast<const T*>(a.x) + row * a.dim;
    const float largest = team.max([&](int thread) {
      float most = 0;
      for_each_slot<kWidth, kSlots, kThreads>(thread, a.dim, [&](int64_t first, int slot) {
        float* values = held[thread] + slot * kWidth;
        const auto pack = load<kWidth>(x + first);
        for (int i = 0; i < kWidth; ++i) {
          const float value = to_float(pack.v[i]);
          values[i] = kGelu ? gelu_tanh(value) : value;
          most = ::fmaxf(most, ::fabsf(values[i]));
        }
      });
      return most;
    });
    const float to_out = largest > 0 ? kFloat8Max / largest : 1;
    team.each([&](int thread) {
      if (thread == 0) a.factors[row] = largest > 0 ? largest / kFloat8Max : 1;
      for_each_slot<kWidth, kSlots, kThreads>(thread, a.dim, [&](int64_t first, int slot) {
        const float* values = held[thread] + slot * kWidth;
        Pack<Float8, kWidth> pack;
        for (int i = 0; i < kWidth; ++i) pack.v[i] = round_to<Float8>(values[i] * to_out);
        store<kWidth>(static_cast<Float8*>(a.out) + row * a.dim + first, pack);
      });
    });
  }
};

/// Calls use(body) with the body of the arguments' type and function.
template <typename Use>
auto with_float8_row(const Float8RowsArgs& a, Use use) {
  if (a.element == Element::kFloat)
    return a.gelu ? use(Float8Row<float, true>{a}) : use(Float8Row<float, false>{a});
  return a.gelu ? use(Float8Row<Bfloat16, true>{a}) : use(Float8Row<Bfloat16, false>{a});
}

}  // namespace ovi::kernels
