// How much of a clip is computed at once.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace ovi {

/// What a memory plan that is short of memory computes in parts, one after another. What comes
/// out is the same, since no part needs what another one gives.
struct Portions {
  int64_t rows = 0;             // tokens in a block's feed-forward network at most; 0: all
  int64_t strips = 1;           // in which frames are decoded where they are largest
  bool keeps_text_keys = true;  // of every block through all steps; else each is made anew
};

/// The largest of the equal portions of `count` things, each of `most` at most; 0: all at once.
inline int64_t portion_of(int64_t count, int64_t most) {
  if (most <= 0 || count <= most) return count;
  const int64_t portions = (count - 1) / most + 1;
  return (count - 1) / portions + 1;
}

/// visit(first, count) of one portion after the other, the last one being shorter where they
/// cannot be equal. Of no things there is none.
template <typename Visit>
void in_portions(int64_t count, int64_t most, const Visit& visit) {
  const int64_t each = portion_of(count, most);
  for (int64_t first = 0; first < count; first += each) {
    visit(first, std::min(each, count - first));
  }
}

}  // namespace ovi
