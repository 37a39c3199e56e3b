// Layer norm with scale and shift, and what comes directly before it (adding a gated
// layer's output) or after it (8-bit floats for a matrix product).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/rows.cuh"

namespace ovi::kernels {

/// Vectors [time rows, dim], of which the first `first_tokens` rows of x use the
/// first and all others the last.
struct RowVectors {
  const void* data = nullptr;  // null: none
  int64_t last = 0;            // elements from the first vector to the last
};

/// What becomes of the normalised rows.
struct ScaledRows {
  RowVectors scale, shift;
  float scale_offset = 0;    // added to scale: 1 for modulation, 0 for an affine norm
  void* out = nullptr;       // may be x when nothing is added; null: nothing becomes of them
  float* factors = nullptr;  // [rows]: out is Float8, to be multiplied by these
};

struct LayerNormArgs {
  int64_t rows = 0, dim = 0, first_tokens = 0;
  float eps = 0;
  Element element = Element::kFloat;
  int32_t aligned = 0;  // all rows start on 16 bytes
  const void* x = nullptr;
  void* sum = nullptr;  // where x + y * gate goes (may be x); null: nothing is added
  const void* y = nullptr;
  RowVectors gate;           // none: 1
  ScaledRows first, second;  // of one norm; both in 8 bits, or neither
};

/// Out is Float8 (with factors) or T.
template <typename T, typename Out>
struct LayerNormRow {
  using Value = T;
  static constexpr int kNarrow = 1;
  LayerNormArgs a;

  template <int kWidth, int kSlots, typename TeamOf>
  OVI_PORTABLE void row(int64_t row, TeamOf& team) const {
    using namespace portable;
    constexpr int kThreads = TeamOf::kThreads;
    Held<kThreads, kSlots * kWidth> held;
    const auto each_slot = [&](int thread, auto f) {
      for_each_slot<kWidth, kSlots, kThreads>(thread, a.dim, f);
    };
    const bool last = row >= a.first_tokens;
    const auto vector = [&](const RowVectors& vectors) {
      return static_cast<const T*>(vectors.data) + (last ? vectors.last : 0);
    };
    const T* x = static_cast<const T*>(a.x) + row * a.dim;

    const float mean = team.sum([&](int thread) {
      float total[kWidth] = {};
      each_slot(thread, [&](int64_t first, int slot) {
        float* values = held[thread] + slot * kWidth;
        const auto pack = load<kWidth>(x + first);
        for (int i = 0; i < kWidth; ++i) values[i] = to_float(pack.v[i]);
        if (a.y) add_gated<kWidth>(row, first, values, vector(a.gate));
        for (int i = 0; i < kWidth; ++i) total[i] += values[i];
      });
      for (int i = 1; i < kWidth; ++i) total[0] += total[i];
      return total[0];
    }) / static_cast<float>(a.dim);
    const float variance = team.sum([&](int thread) {
      float total[kWidth] = {};
      each_slot(thread, [&](int64_t, int slot) {
        float* values = held[thread] + slot * kWidth;
        for (int i = 0; i < kWidth; ++i) {
          values[i] -= mean;
          total[i] += values[i] * values[i];
        }
      });
      for (int i = 1; i < kWidth; ++i) total[0] += total[i];
      return total[0];
    }) / static_cast<float>(a.dim);
    const float inverse = 1.0f / ::sqrtf(variance + a.eps);

    write<kWidth, kSlots>(row, team, held, inverse, last, a.first);
    if (a.second.out) write<kWidth, kSlots>(row, team, held, inverse, last, a.second);
  }

 private:
  // One result of the row, whose centred values are held. They are scaled anew for the largest and
  // for what is stored: a second result needs them as they are.
  template <int kWidth, int kSlots, typename TeamOf, typename HeldOf>
  OVI_PORTABLE void write(int64_t row, TeamOf& team, const HeldOf& held, float inverse, bool last,
                          const ScaledRows& to) const {
    using namespace portable;
    constexpr int kThreads = TeamOf::kThreads;
    const auto vector = [&](const RowVectors& vectors) {
      return static_cast<const T*>(vectors.data) + (last ? vectors.last : 0);
    };
    const auto each_pack = [&](int thread, auto f) {
      for_each_slot<kWidth, kSlots, kThreads>(thread, a.dim, [&](int64_t first, int slot) {
        float values[kWidth];
        for (int i = 0; i < kWidth; ++i) values[i] = held[thread][slot * kWidth + i] * inverse;
        if (to.scale.data) {
          const auto scale = load<kWidth>(vector(to.scale) + first);
          for (int i = 0; i < kWidth; ++i) values[i] *= to.scale_offset + to_float(scale.v[i]);
        }
        if (to.shift.data) {
          const auto shift = load<kWidth>(vector(to.shift) + first);
          for (int i = 0; i < kWidth; ++i) values[i] += to_float(shift.v[i]);
        }
        f(first, values);
      });
    };
    float to_out = 1;
    if constexpr (sizeof(Out) == sizeof(Float8)) {
      const float largest = team.max([&](int thread) {
        float most = 0;
        each_pack(thread, [&](int64_t, const float* values) {
          for (int i = 0; i < kWidth; ++i) most = ::fmaxf(most, ::fabsf(values[i]));
        });
        return most;
      });
      to_out = largest > 0 ? kFloat8Max / largest : 1;
      team.each([&](int thread) {
        if (thread == 0) to.factors[row] = largest > 0 ? largest / kFloat8Max : 1;
      });
    }
    team.each([&](int thread) {
      each_pack(thread, [&](int64_t first, const float* values) {
        Pack<Out, kWidth> pack;
        for (int i = 0; i < kWidth; ++i) pack.v[i] = round_to<Out>(values[i] * to_out);
        store<kWidth>(static_cast<Out*>(to.out) + row * a.dim + first, pack);
      });
    });
  }

  // values <- values + y * gate, as `sum` will hold it: the norm sees what is stored.
  template <int kWidth>
  OVI_PORTABLE void add_gated(int64_t row, int64_t first, float* values, const T* gate) const {
    using namespace portable;
    const auto y = load<kWidth>(static_cast<const T*>(a.y) + row * a.dim + first);
    if (a.gate.data) {
      const auto factor = load<kWidth>(gate + first);
      for (int i = 0; i < kWidth; ++i) values[i] += to_float(y.v[i]) * to_float(factor.v[i]);
    } else {
      for (int i = 0; i < kWidth; ++i) values[i] += to_float(y.v[i]);
    }
    Pack<T, kWidth> pack;
    for (int i = 0; i < kWidth; ++i) {
      pack.v[i] = round_to<T>(values[i]);
      values[i] = to_float(pack.v[i]);
    }
    store<kWidth>(static_cast<T*>(a.sum) + row * a.dim + first, pack);
  }
};

/// Calls use(body) with the body of the arguments' types.
template <typename Use>
auto with_layer_norm(const LayerNormArgs& a, Use use) {
  const bool float8 = a.first.factors != nullptr;
  if (a.element == Element::kFloat)
    return float8 ? use(LayerNormRow<float, Float8>{a}) : use(LayerNormRow<float, float>{a});
  return float8 ? use(LayerNormRow<Bfloat16, Float8>{a}) : use(LayerNormRow<Bfloat16, Bfloat16>{a});
}

}  // namespace ovi::kernels
