// How many of a number of like things fall to each of several ranks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace ovi::parallel {

/// A run: `count` things from `first` on.
struct Share {
  int64_t first = 0, count = 0;
  int64_t end() const { return first + count; }
};

/// `count` things in `ranks` runs, one after another, of lengths that differ by one at most, the
/// longer ones first. So nothing is padded where the ranks do not divide the things.
inline std::vector<Share> shares(int64_t count, int64_t ranks) {
  std::vector<Share> runs;
  int64_t first = 0;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const int64_t own = count / ranks + (rank < count % ranks ? 1 : 0);
    runs.push_back({first, own});
    first += own;
  }
  return runs;
}

}  // namespace ovi::parallel
