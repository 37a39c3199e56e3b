// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <glib.h>

#include "runtime/error.h"

namespace ovi::text {
namespace {

constexpr size_t kBad = 0;

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Reads one strict UTF-8 sequence; returns its length in bytes or kBad.
size_t read_sequence(std::string_view bytes, size_t at, char32_t* c) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    *c = lead;
    return 1;
  }
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || bytes.size() - at < length) return kBad;
  char32_t value = lead & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) return kBad;
    value = value << 6 | (byte(i) & 0x3F);
  }
  const char32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return kBad;
  *c = value;
  return length;
}

// The forbidden but understood sequences. A line feed that ends the bytes may stand for the last
// byte of either: the decoder that defines this format swallows it there, and so must we.
size_t read_variant(std::string_view bytes, size_t at, char32_t* c) {
  const size_t left = bytes.size() - at;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
  const auto within = [&](size_t i, int first, int last) {
    return byte(i) >= first && byte(i) <= last;
  };
  const auto last_line_feed = [&](size_t i) { return i + 1 == left && byte(i) == '\n'; };
  if (byte(0) == 0xC0 && left >= 2 && (byte(1) == 0x80 || last_line_feed(1))) {
    *c = 0;
    return 2;
  }
  if (byte(0) == 0xED && left >= 6 && within(1, 0xA0, 0xAF) && within(2, 0x80, 0xBF) &&
      byte(3) == 0xED && within(4, 0xB0, 0xBF) && (is_continuation(byte(5)) || last_line_feed(5))) {
    *c = 0x10000 + ((byte(1) & 0x0F) << 16 | (byte(2) & 0x3F) << 10 | (byte(4) & 0x0F) << 6 |
                    (byte(5) & 0x3F));
    return 6;
  }
  return kBad;
}

// Stops at the first bad sequence; returns how many bytes were understood.
size_t decode(std::string_view bytes, bool variants, std::u32string* text) {
  text->reserve(bytes.size());
  size_t at = 0;
  while (at < bytes.size()) {
    char32_t c = 0;
    size_t length = read_sequence(bytes, at, &c);
    if (length == kBad && variants) length = read_variant(bytes, at, &c);
    if (length == kBad) break;
    text->push_back(c);
    at += length;
  }
  return at;
}

}  // namespace

size_t valid_utf8_bytes(std::string_view utf8) {
  char32_t ignored = 0;
  for (size_t at = 0; at < utf8.size();) {
    const size_t length = read_sequence(utf8, at, &ignored);
    if (length == kBad) return at;
    at += length;
  }
  return utf8.size();
}

std::u32string decode_utf8(std::string_view utf8) {
  std::u32string text;
  const size_t understood = decode(utf8, false, &text);
  if (understood != utf8.size()) {
    throw Error(ErrorKind::kSettings, "The text is not valid UTF-8 at byte " +
                                          std::to_string(understood) +
                                          ": save or convert it as UTF-8.");
  }
  return text;
}

std::optional<std::u32string> try_decode_utf8(std::string_view bytes, bool variants) {
  std::u32string text;
  if (decode(bytes, variants, &text) != bytes.size()) return std::nullopt;
  return text;
}

std::string encode_utf8(std::u32string_view text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char32_t c : text) {
    char sequence[6];
    utf8.append(sequence, static_cast<size_t>(g_unichar_to_utf8(c, sequence)));
  }
  return utf8;
}

char32_t code_point_at(std::string_view utf8, size_t position) {
  char32_t c = 0;
  read_sequence(utf8, position, &c);
  return c;
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_python_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_word(char32_t c) {
  if (c == '_') return true;
  switch (g_unichar_type(c)) {
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
      return true;
    default:
      return false;
  }
}

std::u32string_view strip(std::u32string_view text) {
  while (!text.empty() && is_python_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_python_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace ovi::text
