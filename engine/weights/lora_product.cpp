// SPDX-License-Identifier: Apache-2.0
#include "weights/lora_product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/host_clones.h"

namespace ovi {
namespace {

constexpr int64_t kLanes = 16;  // columns at once
constexpr int64_t kRows = 4;    // rows at once: so often is a column used that was fetched

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

/// `panel`: [rank, kLanes]. Rows that are there only in name are zeros of `up`.
void add_tile(const float* const (&up)[kRows], const float* panel, int64_t rank, float factor,
              int64_t rows, int64_t columns, int64_t stride, float* to) {
  Lanes sums[kRows] = {};
  for (int64_t k = 0; k < rank; ++k) {
    Lanes down;
    std::memcpy(&down, panel + k * kLanes, sizeof down);
    for (int64_t r = 0; r < kRows; ++r) sums[r] += up[r][k] * down;
  }
  for (int64_t r = 0; r < rows; ++r) {
    float sum[kLanes];
    std::memcpy(sum, &sums[r], sizeof sum);
    for (int64_t c = 0; c < columns; ++c) to[r * stride + c] += factor * sum[c];
  }
}

}  // namespace

OVI_HOST_CLONES
void add_product(const float* up, const float* down, int64_t rows, int64_t rank, int64_t columns,
                 float factor, float* to) {
  std::vector<float> panel(static_cast<size_t>(rank * kLanes));
  const std::vector<float> nothing(static_cast<size_t>(rank));
  for (int64_t column = 0; column < columns; column += kLanes) {
    const int64_t width = std::min(kLanes, columns - column);
    // Its columns one after the other in memory; what lies past the end is not taken.
    for (int64_t k = 0; k < rank; ++k) {
      std::memcpy(panel.data() + k * kLanes, down + k * columns + column,
                  static_cast<size_t>(width) * sizeof(float));
    }
    for (int64_t row = 0; row < rows; row += kRows) {
      const int64_t height = std::min(kRows, rows - row);
      const float* ups[kRows];
      for (int64_t r = 0; r < kRows; ++r) {
        ups[r] = r < height ? up + (row + r) * rank : nothing.data();
      }
      add_tile(ups, panel.data(), rank, factor, height, width, columns,
               to + row * columns + column);
    }
  }
}

}  // namespace ovi
