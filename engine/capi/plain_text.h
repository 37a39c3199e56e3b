// Text of any origin as a terminal and a log can show it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ovi/engine.h"

namespace ovi::capi {

/// Of what is said through the C door, without its end.
inline constexpr size_t kLongestMessage = sizeof(ovi_error::message) - 1;

enum class Lines { kOne, kMany };

/// `text` in valid UTF-8 of at most `most` bytes (3 and more), cut between characters and then
/// ended by "…". Bytes that are no UTF-8 become U+FFFD; control characters and those that change
/// the direction of writing are written out ("\x1b", "\u202e"). A line break and a tab become a
/// space, but kMany keeps line feeds.
std::string plain_text(std::string_view text, size_t most, Lines lines);

}  // namespace ovi::capi
