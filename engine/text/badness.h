// Does text look like UTF-8 that was read in the wrong encoding?
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace ovi::text {

/// True when the text holds a sequence of characters that people hardly write but misread UTF-8
/// is full of. Decides as ftfy 6.3's heuristic does.
bool looks_misread(std::u32string_view text);

}  // namespace ovi::text
