// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/rows.cuh"

namespace ovi::kernels {

inline constexpr int kSnakeTaps = 12;

struct SnakeArgs {
  int64_t channels = 0, length = 0;
  Element element = Element::kFloat;
  const void* x = nullptr;
  const float* alpha = nullptr;         // [channels]
  const float* inverse_beta = nullptr;  // [channels]
  void* out = nullptr;                  // may not overlap x
  float taps[kSnakeTaps] = {};          // a low-pass filter, sum 1
};

/// What a team shares while it computes kTile samples of a channel.
template <int kTile>
struct SnakeScratch {
  float x[kTile + 10];
  float doubled[2][kTile + 5];  // sample 2 (t0 + q) - 5 + r of the doubled signal at [r][q]
};

/// Tiles of kTile samples; at both ends x, and later the doubled signal, go on with their
/// first and last sample.
template <typename T, int kTileOf>
struct Snake {
  static constexpr int kTile = kTileOf;
  SnakeArgs a;

  OVI_PORTABLE int64_t tiles_per_channel() const { return (a.length + kTile - 1) / kTile; }
  OVI_PORTABLE int64_t tiles() const { return a.channels * tiles_per_channel(); }

  template <typename TeamOf>
  OVI_PORTABLE void tile(int64_t channel, int64_t t0, TeamOf& team,
                         SnakeScratch<kTile>& scratch) const {
    using namespace portable;
    constexpr int kThreads = TeamOf::kThreads, kHalf = kSnakeTaps / 2;
    const T* x = static_cast<const T*>(a.x) + channel * a.length;
    const int64_t left = a.length - t0;
    const int count = left < kTile ? static_cast<int>(left) : kTile, doubled = count + 5;

    team.each([&](int thread) {
      for (int i = thread; i < count + 10; i += kThreads) {
        const int64_t t = t0 - 5 + i, inside = t < 0 ? 0 : t;
        scratch.x[i] = to_float(x[inside < a.length ? inside : a.length - 1]);
      }
    });
    // The doubled signal: between samples the filter's even taps, on them its odd ones.
    const float alpha = a.alpha[channel], inverse_beta = a.inverse_beta[channel];
    team.each([&](int thread) {
      for (int r = 0; r < 2; ++r)
        for (int q = thread; q < doubled; q += kThreads) {
          float sum = 0;
          for (int i = 0; i < kHalf; ++i)
            sum += 2 * a.taps[kSnakeTaps - 2 + r - 2 * i] * scratch.x[q + i];
          scratch.doubled[r][q] = sum + sin_squared(alpha * sum) * inverse_beta;
        }
    });
    // At the signal's ends.
    const int first = t0 == 0 ? 5 : 0;  // place 2q + r of the first sample
    const int64_t last = 2 * left + 4;
    if (first > 0 || last < 2 * doubled - 1) {
      team.each([&](int thread) {
        for (int place = thread; place < 2 * doubled; place += kThreads) {
          float& value = scratch.doubled[place % 2][place / 2];
          if (place < first) value = scratch.doubled[1][2];
          if (place > last) value = scratch.doubled[0][left + 2];
        }
      });
    }
    team.each([&](int thread) {
      T* out = static_cast<T*>(a.out) + channel * a.length + t0;
      for (int t = thread; t < count; t += kThreads) {
        float sum = 0;
        for (int k = 0; k < kSnakeTaps; ++k) sum += a.taps[k] * scratch.doubled[k % 2][t + k / 2];
        out[t] = round_to<T>(sum);
      }
    });
  }
};

}  // namespace ovi::kernels
