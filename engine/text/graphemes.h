// Where a user-perceived character ends (Unicode Standard Annex 29).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace ovi::text {

/// End, as a byte offset, of the extended grapheme cluster that starts at `start` of valid UTF-8.
/// Made for CharsMap, which treats clusters of 6 bytes and more character by character: the rules
/// that only ever make such long ones (Hangul syllables, flags, emoji sequences, Indic conjuncts:
/// GB6-8, GB9c, GB11-13) are left out.
size_t grapheme_end(std::string_view utf8, size_t start);

}  // namespace ovi::text
