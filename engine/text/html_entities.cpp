// SPDX-License-Identifier: Apache-2.0
#include "text/html_entities.h"

#include <glib.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "text/code_pages.h"

namespace ovi::text {
namespace {

constexpr size_t kLongestName = 32;
constexpr size_t kLongestSureName = 24;
constexpr size_t kLongestSure = kLongestSureName + 3;  // with "&#" and ";"
constexpr char32_t kReplacement = 0xFFFD;

struct Named {
  std::u32string value;
  bool without_semicolon;
};
using Names = std::unordered_map<std::u32string, Named>;

const Names& names() {
  static const Names table = [] {
    constexpr std::string_view source =
#include "text/html_names.inc"
        ;
    Names result;
    for (size_t at = 0; at < source.size();) {
      const size_t end = source.find(' ', at);
      const size_t equals = source.find('=', at);
      const bool without_semicolon = source[equals - 1] == '!';
      std::u32string value;
      for (size_t digit = equals + 1; digit < end;) {
        value.push_back(
            static_cast<char32_t>(g_ascii_strtoull(source.data() + digit, nullptr, 16)));
        digit = std::min(source.find('+', digit), end) + 1;
      }
      const std::string_view name = source.substr(at, equals - at - without_semicolon);
      result.emplace(std::u32string(name.begin(), name.end()),
                     Named{std::move(value), without_semicolon});
      at = end + 1;
    }
    return result;
  }();
  return table;
}

// Of those that need no semicolon.
size_t longest_open_name() {
  static const size_t longest = [] {
    size_t found = 0;
    for (const auto& [name, named] : names()) {
      if (named.without_semicolon) found = std::max(found, name.size());
    }
    return found;
  }();
  return longest;
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_upper(char32_t c) { return c >= 'A' && c <= 'Z'; }
bool is_hex_digit(char32_t c) { return c < 0x80 && g_ascii_isxdigit(static_cast<char>(c)); }
bool is_letter_or_digit(char32_t c) { return c < 0x80 && g_ascii_isalnum(static_cast<char>(c)); }

// What a numeric reference stands for: windows-1252 for the C1 range, nothing for control
// characters and noncharacters, U+FFFD for what no character can be.
std::u32string numbered(char32_t number) {
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) {
    return std::u32string(1, kReplacement);
  }
  if (number >= 0x80 && number <= 0x9F) {
    return std::u32string(1, code_pages()[kWindows1252].decode(static_cast<unsigned char>(number)));
  }
  const bool control =
      (number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r') ||
      number == 0x7F;
  const bool noncharacter = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  return control || noncharacter ? std::u32string() : std::u32string(1, number);
}

struct Reference {
  size_t length;  // characters it takes, with '&'
  std::u32string value;
};

// `text` starts with "&#".
std::optional<Reference> read_number(std::u32string_view text) {
  const bool hex = text.size() > 2 && (text[2] == 'x' || text[2] == 'X');
  const size_t first = hex ? 3 : 2;
  size_t at = first;
  uint64_t number = 0;
  while (at < text.size() && (hex ? is_hex_digit(text[at]) : is_digit(text[at]))) {
    const int digit = g_ascii_xdigit_value(static_cast<char>(text[at]));
    number = std::min<uint64_t>(number * (hex ? 16 : 10) + static_cast<uint64_t>(digit), 0x110000);
    ++at;
  }
  if (at == first) return std::nullopt;
  if (at < text.size() && text[at] == ';') ++at;
  return Reference{at, numbered(static_cast<char32_t>(number))};
}

// `text` starts with "&". Takes the longest known name; what follows it stays text.
std::optional<Reference> read_name(std::u32string_view text) {
  constexpr std::u32string_view kNeverInName = U"\t\n\f <&#;";
  const std::u32string_view run = text.substr(1, kLongestName);
  const size_t length = std::min(run.find_first_of(kNeverInName), run.size());
  if (text.substr(1 + length, 1) == U";") {
    const auto found = names().find(std::u32string(run.substr(0, length)));
    if (found != names().end()) return Reference{length + 2, found->second.value};
  }
  for (size_t prefix = std::min(length, longest_open_name()); prefix > 1; --prefix) {
    const auto found = names().find(std::u32string(run.substr(0, prefix)));
    if (found != names().end() && found->second.without_semicolon) {
      return Reference{prefix + 1, found->second.value};
    }
  }
  return std::nullopt;
}

std::u32string to_upper(std::u32string_view text) {
  std::u32string upper;
  for (const char32_t c : text) {
    // The capitals of these are several letters; only they occur among the named characters.
    switch (c) {
      case U'\u00DF':
        upper += U"SS";
        break;
      case U'\u0149':
        upper += U"\u02BCN";
        break;
      case U'\uFB00':
        upper += U"FF";
        break;
      case U'\uFB01':
        upper += U"FI";
        break;
      case U'\uFB02':
        upper += U"FL";
        break;
      case U'\uFB03':
        upper += U"FFI";
        break;
      case U'\uFB04':
        upper += U"FFL";
        break;
      default:
        upper.push_back(g_unichar_toupper(c));
    }
  }
  return upper;
}

// `text` is "&NAME;" with a name that HTML does not know as it is written.
std::optional<std::u32string> capital_of(std::u32string_view text) {
  std::u32string name(text.substr(1, text.size() - 2));
  for (char32_t& c : name) {
    if (c >= 'a' && c <= 'z') return std::nullopt;
    if (is_upper(c)) c += 'a' - 'A';
  }
  const auto found = names().find(name);
  // "&LTRI;" already means "<RI;" to a browser.
  if (found == names().end() || read_name(text)) return std::nullopt;
  return to_upper(found->second.value);
}

// `text` starts with "&". Also matches what only looks like a sure reference; it stands for itself.
std::optional<Reference> read_sure(std::u32string_view text) {
  const size_t first = text.substr(1, 1) == U"#" ? 2 : 1;
  size_t end = first;
  while (end < text.size() && is_letter_or_digit(text[end])) ++end;
  if (end == first || end - first > kLongestSureName || text.substr(end, 1) != U";") {
    return std::nullopt;
  }
  const std::u32string_view whole = text.substr(0, end + 1);
  if (first == 2) {
    const auto number = read_number(whole);
    // A reference to the semicolon itself looks unfinished to the rule this follows.
    if (number && number->length == whole.size() && number->value != U";") return number;
    return std::nullopt;
  }
  const auto found = names().find(std::u32string(whole.substr(1, end - 1)));
  if (found != names().end()) return Reference{whole.size(), found->second.value};
  if (const auto capital = capital_of(whole)) return Reference{whole.size(), *capital};
  return std::nullopt;
}

template <typename Reader>
std::u32string replace_references(std::u32string_view text, Reader read) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      if (const auto reference = read(text.substr(at))) {
        result += reference->value;
        at += reference->length;
        continue;
      }
    }
    result.push_back(text[at++]);
  }
  return result;
}

}  // namespace

std::u32string unescape_html(std::u32string_view text) {
  return replace_references(text, [](std::u32string_view from) {
    return from.substr(1, 1) == U"#" ? read_number(from) : read_name(from);
  });
}

std::u32string unescape_sure_html(std::u32string_view text) {
  return replace_references(text, read_sure);
}

// Each semicolon may end a reference whose beginning is written already; what that stands for is
// written in its place, and may end another one. As every replacement is shorter than what it
// replaces, this is linear.
std::u32string unescape_nested_html(std::u32string_view text) {
  std::u32string result, pending;  // the next character of `pending` is its last
  result.reserve(text.size());
  for (size_t at = 0; at < text.size() || !pending.empty();) {
    char32_t c = 0;
    if (pending.empty()) {
      c = text[at++];
    } else {
      c = pending.back();
      pending.pop_back();
    }
    result.push_back(c);
    if (c != ';') continue;
    const size_t earliest = result.size() > kLongestSure ? result.size() - kLongestSure : 0;
    size_t start = result.size() - 1;
    while (start > earliest && (is_letter_or_digit(result[start - 1]) || result[start - 1] == '#')) {
      --start;
    }
    if (start == earliest || result[--start] != '&') continue;
    const std::u32string_view whole = std::u32string_view(result).substr(start);
    const auto reference = read_sure(whole);
    if (!reference || reference->length != whole.size()) continue;
    result.resize(start);
    pending.append(reference->value.rbegin(), reference->value.rend());
  }
  return result;
}

}  // namespace ovi::text
