// Repairs text that was UTF-8 once and was read in another encoding ("dÃ©jÃ" for "déjà").
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace ovi::text {

/// Undoes misreadings, one inside the other if need be, as long as the text looks misread.
/// Behaves as ftfy 6.3's fix_encoding.
std::u32string repair_encoding(std::u32string_view text);

/// Replaces each of U+0080..U+009F by what windows-1252 has in that place.
std::u32string replace_c1_controls(std::u32string_view text);

}  // namespace ovi::text
