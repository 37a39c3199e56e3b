// SPDX-License-Identifier: Apache-2.0
#include "text/graphemes.h"

#include <glib.h>

#include <algorithm>
#include <iterator>

#include "text/unicode.h"

namespace ovi::text {
namespace {

enum class Break { kOther, kControl, kPrepend, kContinue };

struct Range {
  char32_t first, last;
};

bool contains(const Range* begin, const Range* end, char32_t c) {
  const Range* range = std::lower_bound(
      begin, end, c, [](const Range& entry, char32_t value) { return entry.last < value; });
  return range != end && range->first <= c;
}

// Property Prepended_Concatenation_Mark and the letters that UAX 29 adds to it.
constexpr Range kPrepended[] = {{0x0600, 0x0605},   {0x06DD, 0x06DD},   {0x070F, 0x070F},
                                {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x0D4E, 0x0D4E},
                                {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x111C2, 0x111C3},
                                {0x1193F, 0x1193F}, {0x11941, 0x11941}, {0x11A3A, 0x11A3A},
                                {0x11A84, 0x11A89}, {0x11D46, 0x11D46}, {0x11F02, 0x11F02}};

// What continues a cluster without being a mark: joiners, half-width voicing marks, Thai and Lao
// AM, skin tones, tags.
constexpr Range kAlsoContinue[] = {{0x0E33, 0x0E33}, {0x0EB3, 0x0EB3},   {0x200C, 0x200D},
                                   {0xFF9E, 0xFF9F}, {0x1F3FB, 0x1F3FF}, {0xE0020, 0xE007F}};

// Spacing marks that do not continue one.
constexpr Range kStandAlone[] = {
    {0x102B, 0x102C}, {0x1038, 0x1038}, {0x1062, 0x1064},  {0x1067, 0x106D}, {0x1083, 0x1083},
    {0x1087, 0x108C}, {0x108F, 0x108F}, {0x109A, 0x109C},  {0x1A61, 0x1A61}, {0x1A63, 0x1A64},
    {0xAA7B, 0xAA7B}, {0xAA7D, 0xAA7D}, {0x11720, 0x11721}};

Break break_of(char32_t c) {
  if (contains(std::begin(kPrepended), std::end(kPrepended), c)) return Break::kPrepend;
  if (contains(std::begin(kAlsoContinue), std::end(kAlsoContinue), c)) return Break::kContinue;
  switch (g_unichar_type(c)) {
    case G_UNICODE_NON_SPACING_MARK:
    case G_UNICODE_ENCLOSING_MARK:
      return Break::kContinue;
    case G_UNICODE_SPACING_MARK:
      return contains(std::begin(kStandAlone), std::end(kStandAlone), c) ? Break::kOther
                                                                         : Break::kContinue;
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
      return Break::kControl;
    default:
      return Break::kOther;
  }
}

}  // namespace

size_t grapheme_end(std::string_view utf8, size_t start) {
  if (utf8.substr(start, 2) == "\r\n") return start + 2;
  size_t at = start;
  Break previous = Break::kPrepend;
  while (at < utf8.size()) {
    const Break next = break_of(code_point_at(utf8, at));
    const bool joins = at == start || (next == Break::kContinue && previous != Break::kControl) ||
                       (previous == Break::kPrepend && next != Break::kControl);
    if (!joins) break;
    previous = next;
    at += utf8_length(utf8[at]);
  }
  return at;
}

}  // namespace ovi::text
