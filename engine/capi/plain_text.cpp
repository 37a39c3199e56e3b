// SPDX-License-Identifier: Apache-2.0
#include "capi/plain_text.h"

#include <glib.h>

#include <cstdio>

namespace ovi::capi {
namespace {

constexpr std::string_view kReplacement = "\uFFFD", kEllipsis = "…";

bool is_direction(gunichar c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}
bool is_control(gunichar c) { return c < 0x20 || (c >= 0x7F && c <= 0x9F); }
bool is_line_break(gunichar c) {
  return c == '\n' || c == '\r' || c == '\t' || c == 0x2028 || c == 0x2029;
}

std::string shown(gunichar c, std::string_view bytes, Lines lines) {
  if (c == '\n' && lines == Lines::kMany) return "\n";
  if (is_line_break(c)) return " ";
  if (!is_control(c) && !is_direction(c)) return std::string(bytes);
  char code[12];
  std::snprintf(code, sizeof code, c < 0x80 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(c));
  return code;
}

}  // namespace

std::string plain_text(std::string_view text, size_t most, Lines lines) {
  std::string plain;
  size_t fits = 0;  // so much of `plain` leaves room for an ellipsis
  for (size_t at = 0; at < text.size();) {
    const gunichar c =
        g_utf8_get_char_validated(text.data() + at, static_cast<gssize>(text.size() - at));
    const bool bad = c == static_cast<gunichar>(-1) || c == static_cast<gunichar>(-2);
    const size_t length = bad ? 1 : static_cast<size_t>(g_unichar_to_utf8(c, nullptr));
    plain += bad ? std::string(kReplacement) : shown(c, text.substr(at, length), lines);
    if (plain.size() > most) return plain.substr(0, fits).append(kEllipsis);
    if (plain.size() + kEllipsis.size() <= most) fits = plain.size();
    at += length;
  }
  return plain;
}

}  // namespace ovi::capi
