// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/items.cuh"

namespace ovi::kernels {

inline constexpr int kMostTerms = 6;

struct LinearCombinationArgs {
  int64_t count = 0;  // elements of every tensor
  int32_t terms = 0;
  int32_t aligned = 0;  // all tensors start on 16 bytes
  float weights[kMostTerms] = {};
  const float* tensors[kMostTerms] = {};
  float* out = nullptr;  // may be one of them
};

/// out <- the sum of weight * tensor, four elements an item, in the order of the terms.
struct LinearCombination {
  static constexpr int kWidth = portable::kWide<float>;
  LinearCombinationArgs a;

  int64_t items() const { return (a.count + kWidth - 1) / kWidth; }

  OVI_PORTABLE void item(int64_t index) const {
    const int64_t first = index * kWidth;
    if (a.aligned && first + kWidth <= a.count) {
      portable::Pack<float, kWidth> sum = {};
      for (int term = 0; term < kMostTerms; ++term) {
        if (term >= a.terms) break;
        const auto pack = portable::load<kWidth>(a.tensors[term] + first);
        for (int i = 0; i < kWidth; ++i) sum.v[i] += a.weights[term] * pack.v[i];
      }
      portable::store<kWidth>(a.out + first, sum);
      return;
    }
    const int64_t end = first + kWidth < a.count ? first + kWidth : a.count;
    for (int64_t i = first; i < end; ++i) {
      float sum = 0;
      for (int term = 0; term < a.terms; ++term) sum += a.weights[term] * a.tensors[term][i];
      a.out[i] = sum;
    }
  }
};

}  // namespace ovi::kernels
