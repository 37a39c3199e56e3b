// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/rows.cuh"

namespace ovi::kernels {

struct ChannelNormArgs {
  int64_t rows = 0, dim = 0;
  float smallest = 0;  // no row is divided by less
  Element element = Element::kFloat;
  int32_t aligned = 0;
  int32_t silu = 0;
  const void* x = nullptr;
  const float* gain = nullptr;  // [dim]
  void* out = nullptr;          // may be x
};

// In packs of 16 bytes at most, which is what a GPU loads at once.
template <int kWidth>
OVI_PORTABLE void load_floats(const float* from, float (&to)[kWidth]) {
  constexpr int kPart = kWidth < 4 ? kWidth : 4;
  for (int i = 0; i < kWidth; i += kPart) {
    const auto part = portable::load<kPart>(from + i);
    for (int j = 0; j < kPart; ++j) to[i + j] = part.v[j];
  }
}

template <typename T>
struct ChannelNormRow {
  using Value = T;
  static constexpr int kNarrow = 1;
  ChannelNormArgs a;

  template <int kWidth, int kSlots, typename TeamOf>
  OVI_PORTABLE void row(int64_t row, TeamOf& team) const {
    using namespace portable;
    constexpr int kThreads = TeamOf::kThreads;
    Held<kThreads, kSlots * kWidth> held;
    const T* x = static_cast<const T*>(a.x) + row * a.dim;
    const float squares = hold_and_sum_squares<kWidth, kSlots>(
        team, held, a.dim, [&](int64_t first) { return load<kWidth>(x + first); });
    const float inverse = 1.0f / ::fmaxf(::sqrtf(squares), a.smallest);
    team.each([&](int thread) {
      for_each_slot<kWidth, kSlots, kThreads>(thread, a.dim, [&](int64_t first, int slot) {
        const float* values = held[thread] + slot * kWidth;
        float gain[kWidth];
        load_floats(a.gain + first, gain);
        Pack<T, kWidth> pack;
        for (int i = 0; i < kWidth; ++i) {
          float y = values[i] * inverse * gain[i];
          if (a.silu) y *= sigmoid(y);
          pack.v[i] = round_to<T>(y);
        }
        store<kWidth>(static_cast<T*>(a.out) + row * a.dim + first, pack);
      });
    });
  }
};

}  // namespace ovi::kernels
