// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace ovi::kernels {

/// Which row of the time vectors a token uses: the first `first_tokens` tokens use
/// row 0 (a clean first frame, timestep 0), all others the last row. So two rows
/// serve a sequence of any length.
struct TimeRows {
  int64_t first_tokens = 0;

  /// Those of `count` tokens from `first` on.
  TimeRows from(int64_t first, int64_t count) const {
    return {std::clamp<int64_t>(first_tokens - first, 0, count)};
  }
};

/// Calls apply(begin, length, row) for each run of tokens with one of `rows` time rows.
template <typename Apply>
void for_each_run(int64_t length, int64_t rows, TimeRows time, Apply apply) {
  const int64_t first = rows > 1 ? time.first_tokens : 0;
  if (first > 0) apply(0, first, 0);
  if (first < length) apply(first, length - first, rows - 1);
}

}  // namespace ovi::kernels
