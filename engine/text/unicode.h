// UTF-8 in and out, and the few Unicode questions that cleaning and tokenising ask.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ovi::text {

/// Throws Error(kSettings) that names the byte position of the first bad sequence.
/// Overlong forms, surrogates and code points above U+10FFFF are bad.
std::u32string decode_utf8(std::string_view utf8);

/// Bytes of `utf8` before the first bad sequence: all of them where there is none.
size_t valid_utf8_bytes(std::string_view utf8);

/// As decode_utf8, for bytes that may turn out not to be UTF-8: nothing instead of an error.
/// `variants` also takes the two encodings that strict UTF-8 forbids but that are found in the
/// wild: CESU-8 (a surrogate pair as two three-byte sequences, Unicode TR 26) and Java's C0 80
/// for U+0000.
std::optional<std::u32string> try_decode_utf8(std::string_view bytes, bool variants);

std::string encode_utf8(std::u32string_view text);

/// Length in bytes of the sequence that starts with `lead`, in valid UTF-8.
inline size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// The code point at `position` of valid UTF-8.
char32_t code_point_at(std::string_view utf8, size_t position);

/// Unicode's White_Space property.
bool is_white_space(char32_t c);

/// White_Space or one of the separators U+001C..U+001F: what Python's str.strip() and the `\s`
/// of its `re` module take for space.
bool is_python_space(char32_t c);

/// Letter, number or underscore, in any script.
bool is_word(char32_t c);

/// `text` without `is_python_space` at either end.
std::u32string_view strip(std::u32string_view text);

}  // namespace ovi::text
