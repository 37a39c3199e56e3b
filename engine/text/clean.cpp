// SPDX-License-Identifier: Apache-2.0
#include "text/clean.h"

#include <glib.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <vector>

#include "text/badness.h"
#include "text/html_entities.h"
#include "text/mojibake.h"
#include "text/nfc.h"
#include "text/unicode.h"

namespace ovi::text {
namespace {

// A longer line is repaired in pieces of this many characters.
constexpr size_t kLongestSegment = 1'000'000;

std::u32string normalize(std::u32string_view text, GNormalizeMode mode) {
  const std::string utf8 = encode_utf8(text);
  const std::unique_ptr<char, decltype(&g_free)> normalized(
      g_utf8_normalize(utf8.data(), static_cast<gssize>(utf8.size()), mode), g_free);
  return decode_utf8(normalized.get());
}

void poll(const Cancel* cancel) {
  if (cancel) cancel->check();
}

struct Ligature {
  char32_t ligature;
  std::u32string_view letters;
};

// Latin ligatures and the digraphs that old encodings had one code for.
constexpr Ligature kLigatures[] = {
    {U'Ĳ', U"IJ"},      {U'ĳ', U"ij"}, {U'ŉ', U"\u02BCn"}, {U'Ǆ', U"D\u017D"}, {U'ǅ', U"D\u017E"},
    {U'ǆ', U"d\u017E"}, {U'Ǉ', U"LJ"}, {U'ǈ', U"Lj"},      {U'ǉ', U"lj"},      {U'Ǌ', U"NJ"},
    {U'ǋ', U"Nj"},      {U'ǌ', U"nj"}, {U'Ǳ', U"DZ"},      {U'ǲ', U"Dz"},      {U'ǳ', U"dz"},
    {U'ﬀ', U"ff"},      {U'ﬁ', U"fi"}, {U'ﬂ', U"fl"},      {U'ﬃ', U"ffi"},     {U'ﬄ', U"ffl"},
    {U'ﬅ', U"\u017Ft"}, {U'ﬆ', U"st"}};

// Empty when `c` is no ligature.
std::u32string_view letters_of(char32_t c) {
  if (c < kLigatures[0].ligature) return {};
  const auto* found = std::find_if(std::begin(kLigatures), std::end(kLigatures),
                                   [c](const Ligature& entry) { return entry.ligature == c; });
  return found == std::end(kLigatures) ? std::u32string_view() : found->letters;
}

// Full- and half-width forms, by their compatibility decomposition.
constexpr char32_t kFirstWidthForm = 0xFF01, kLastWidthForm = 0xFFEF, kWideSpace = 0x3000;

const std::u32string& standard_width(char32_t form) {
  static const auto forms = [] {
    std::array<std::u32string, kLastWidthForm - kFirstWidthForm + 1> table;
    for (char32_t c = kFirstWidthForm; c <= kLastWidthForm; ++c) {
      table[c - kFirstWidthForm] = normalize(std::u32string_view(&c, 1), G_NORMALIZE_NFKC);
    }
    return table;
  }();
  return forms[form - kFirstWidthForm];
}

bool is_single_quote(char32_t c) { return c == 0x02BC || (c >= 0x2018 && c <= 0x201B); }
bool is_double_quote(char32_t c) { return c >= 0x201C && c <= 0x201F; }
bool is_line_break(char32_t c) { return c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85; }

// Controls without any effect on plain text; those that are white space, join letters or set the
// direction stay.
bool is_useless_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
         (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

std::u32string replace_ligatures_and_widths(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t c : text) {
    if (const std::u32string_view letters = letters_of(c); !letters.empty()) {
      result += letters;
    } else if (c >= kFirstWidthForm && c <= kLastWidthForm) {
      result += standard_width(c);
    } else {
      result.push_back(c == kWideSpace ? U' ' : c);
    }
  }
  return result;
}

std::u32string replace_quotes_and_breaks(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const char32_t c = text[at];
    if (c == '\r' && at + 1 < text.size() && text[at + 1] == '\n') continue;
    result.push_back(is_single_quote(c)   ? U'\''
                     : is_double_quote(c) ? U'"'
                     : is_line_break(c)   ? U'\n'
                                          : c);
  }
  return result;
}

// Length of a terminal's colour or cursor sequence at `at` (ECMA-48 CSI), or 0.
size_t terminal_escape(std::u32string_view text, size_t at) {
  if (text.substr(at, 2) != U"\x1B[") return 0;
  size_t end = at + 2;
  while (end < text.size() && (g_unichar_isdigit(text[end]) || text[end] == ';')) ++end;
  const bool ends =
      end < text.size() && text[end] < 0x80 && g_ascii_isalpha(static_cast<char>(text[end]));
  return ends ? end + 1 - at : 0;
}

std::u32string remove_escapes_and_controls(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (const size_t length = terminal_escape(text, at)) {
      at += length;
      continue;
    }
    if (!is_useless_control(text[at])) result.push_back(text[at]);
    ++at;
  }
  return result;
}

// Whether no step but the replacement of references and the repair of the encoding concerns `c`.
bool is_settled(char32_t c) {
  static const std::vector<bool> settled = [] {
    std::vector<bool> table(0x10000);
    for (char32_t member = 0; member < table.size(); ++member) {
      table[member] = is_nfc_inert(member) && member != 0x1B && !is_useless_control(member) &&
                      !is_single_quote(member) && !is_double_quote(member) &&
                      !is_line_break(member) && letters_of(member).empty() &&
                      !(member >= kFirstWidthForm && member <= kLastWidthForm) &&
                      member != kWideSpace && !(member >= 0x80 && member <= 0x9F);
    }
    return table;
  }();
  return c < settled.size() ? settled[c] : is_nfc_inert(c);
}

bool all_settled(std::u32string_view text) {
  return std::all_of(text.begin(), text.end(), is_settled);
}

// References that hold each other ("&amp;amp;lt;") open one level a round. So many rounds are made
// as ftfy makes them; then the rest of the levels open at once, else the time would grow with the
// square of their number. The order of these replacements does not change what they come to: two
// references never overlap, and each is longer than what it stands for. It could only matter to
// text in which so deeply nested references and misread characters depend on each other.
constexpr int kSingleRounds = 4;

// One line, until nothing changes: a repair may bring up what the next round repairs.
// (Surrogates, which ftfy also joins, cannot come out of valid UTF-8.)
std::u32string repair(std::u32string_view segment, bool with_html, const Cancel* cancel) {
  std::u32string text(segment);
  for (int round = 1;; ++round) {
    poll(cancel);
    const bool references = with_html && text.find(U'&') != std::u32string::npos;
    if (!references && all_settled(text) && !looks_misread(text)) return text;
    std::u32string repaired = !references             ? text
                              : round > kSingleRounds ? unescape_nested_html(text)
                                                      : unescape_sure_html(text);
    poll(cancel);
    repaired = repair_encoding(repaired);
    poll(cancel);
    if (!all_settled(repaired)) {
      repaired = replace_ligatures_and_widths(replace_c1_controls(repaired));
      repaired = replace_quotes_and_breaks(repaired);
      repaired = to_nfc(remove_escapes_and_controls(repaired));
    }
    if (repaired == text) return text;
    text = std::move(repaired);
  }
}

std::u32string repair_lines(std::u32string_view text, const Cancel* cancel) {
  std::u32string result;
  bool with_html = true;
  for (size_t at = 0; at < text.size();) {
    poll(cancel);
    const size_t line_feed = text.find(U'\n', at);
    const size_t end = line_feed == std::u32string_view::npos ? text.size() : line_feed + 1;
    const std::u32string_view segment = text.substr(at, std::min(end - at, kLongestSegment));
    // A "<" says that this line and all after it are real HTML, whose references are meant.
    with_html = with_html && segment.find(U'<') == std::u32string_view::npos;
    const bool references = with_html && segment.find(U'&') != std::u32string_view::npos;
    if (!references && all_settled(segment) && !looks_misread(segment)) {
      result += segment;
    } else {
      result += repair(segment, with_html, cancel);
    }
    at += segment.size();
  }
  return result;
}

std::u32string collapse_white_space(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t c : text) {
    if (!is_white_space(c)) {
      result.push_back(c);
    } else if (result.empty() || result.back() != U' ') {
      result.push_back(U' ');
    }
  }
  return result;
}

}  // namespace

std::string clean_text(std::string_view utf8, const Cancel* cancel) {
  const std::u32string repaired = repair_lines(decode_utf8(utf8), cancel);
  poll(cancel);
  const std::u32string once = unescape_html(repaired);
  poll(cancel);
  const std::u32string text = unescape_html(once);
  poll(cancel);
  return encode_utf8(strip(collapse_white_space(strip(text))));
}

}  // namespace ovi::text
