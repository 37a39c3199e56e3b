// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/rows.cuh"

namespace ovi::kernels {

struct RmsNormRopeArgs {
  int64_t rows = 0, dim = 0, head_dim = 0;
  float eps = 0;
  Element element = Element::kFloat;
  int32_t aligned = 0;  // all rows and heads start on 16 bytes
  const void* x = nullptr;
  const void* weight = nullptr;      // [dim]
  const float* rotations = nullptr;  // [rows, head_dim / 2] pairs of cosine and sine
  void* turned = nullptr;            // null: not wanted
  void* plain = nullptr;             // the norm without rotation; null: not wanted
};

template <typename T>
struct RmsNormRopeRow {
  using Value = T;
  static constexpr int kNarrow = 2;  // a pair that turns
  RmsNormRopeArgs a;

  template <int kWidth, int kSlots, typename TeamOf>
  OVI_PORTABLE void row(int64_t row, TeamOf& team) const {
    using namespace portable;
    constexpr int kThreads = TeamOf::kThreads;
    Held<kThreads, kSlots * kWidth> held;
    const T* x = static_cast<const T*>(a.x) + row * a.dim;
    const float squares = hold_and_sum_squares<kWidth, kSlots>(
        team, held, a.dim, [&](int64_t first) { return load_elements<kWidth>(x + first); });
    const float inverse = 1.0f / ::sqrtf(squares / static_cast<float>(a.dim) + a.eps);
    team.each([&](int thread) {
      for_each_slot<kWidth, kSlots, kThreads>(thread, a.dim, [&](int64_t first, int slot) {
        float* values = held[thread] + slot * kWidth;
        const auto weight = load_elements<kWidth>(static_cast<const T*>(a.weight) + first);
        for (int i = 0; i < kWidth; ++i) values[i] = values[i] * inverse * to_float(weight.v[i]);
        if (a.plain) write<kWidth>(a.plain, row * a.dim + first, values);
        if (a.turned) {
          turn<kWidth>(row, first, values);
          write<kWidth>(a.turned, row * a.dim + first, values);
        }
      });
    });
  }

 private:
  // Rows that are not aligned may begin between two pairs, where a GPU loads no pair.
  template <int kWidth>
  static OVI_PORTABLE portable::Pack<T, kWidth> load_elements(const T* from) {
    if constexpr (kWidth == kNarrow) {
      portable::Pack<T, kWidth> pack;
      for (int i = 0; i < kWidth; ++i) pack.v[i] = portable::load<1>(from + i).v[0];
      return pack;
    } else {
      return portable::load<kWidth>(from);
    }
  }

  template <int kWidth>
  OVI_PORTABLE void write(void* to, int64_t offset, const float* values) const {
    portable::Pack<T, kWidth> pack;
    for (int i = 0; i < kWidth; ++i) pack.v[i] = portable::round_to<T>(values[i]);
    portable::store<kWidth>(static_cast<T*>(to) + offset, pack);
  }

  template <int kWidth>
  OVI_PORTABLE void turn(int64_t row, int64_t first, float* values) const {
    constexpr int kLoad = kWidth < 4 ? kWidth : 4;  // 16 bytes
    const auto in_head = static_cast<uint32_t>(first) % static_cast<uint32_t>(a.head_dim);
    const float* rotations = a.rotations + row * a.head_dim + in_head;
    for (int i = 0; i < kWidth; i += kLoad) {
      const auto pairs = portable::load<kLoad>(rotations + i);
      for (int j = 0; j < kLoad; j += 2) {
        const float even = values[i + j], odd = values[i + j + 1];
        const float cosine = pairs.v[j], sine = pairs.v[j + 1];
        values[i + j] = even * cosine - odd * sine;
        values[i + j + 1] = even * sine + odd * cosine;
      }
    }
  }
};

}  // namespace ovi::kernels
