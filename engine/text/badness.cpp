// SPDX-License-Identifier: Apache-2.0
#include "text/badness.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "text/unicode.h"

namespace ovi::text {
namespace {

// Classes a character can be in. The first group lists the few hundred characters that misread
// UTF-8 can hold (each the reading of a byte 80..FF in some page); the second is computed.
enum Class : uint32_t {
  kCommon = 1u << 0,   // seen everywhere, says nothing alone
  kStrange = 1u << 1,  // hardly ever written on purpose
  kLaw = 1u << 2,
  kCurrency = 1u << 3,
  kOpening = 1u << 4,  // punctuation at the start of something
  kClosing = 1u << 5,
  kNumeric = 1u << 6,
  kFace = 1u << 7,  // letters that emoticons are drawn with
  kUpperAccented = 1u << 8,
  kLowerAccented = 1u << 9,
  kUpperOther = 1u << 10,  // capitals of Greek and Cyrillic
  kLowerOther = 1u << 11,
  kBox = 1u << 12,  // box drawing

  kC1 = 1u << 13,
  kAsciiLower = 1u << 14,
  kAsciiUpper = 1u << 15,
  kSpace = 1u << 16,
  kWord = 1u << 17,
  kNotAsciiLetter = 1u << 18,
  kNotLineFeed = 1u << 19,

  kAsciiLetter = kAsciiLower | kAsciiUpper,
  kAccented = kUpperAccented | kLowerAccented,
  kPunctuation = kOpening | kClosing,
};

struct Members {
  uint32_t classes;
  std::u32string_view characters;
};

constexpr Members kListed[] = {
    {kCommon, U"\u00A0\u00AD·´–—―…’"},
    {kStrange, U"¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\uFFFDªº"},
    {kLaw, U"¶§"},
    {kCurrency, U"¢£¥₧€"},
    {kOpening, U"¡«¿©΄΅‘‚“„•‹\uF8FF"},
    {kClosing, U"®»˝”›™"},
    {kNumeric, U"²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№"},
    {kFace, U"ÒÓÔÕÖÙÚÛòóôõöøùúûŐŌŪŲ°"},
    {kFace | kUpperAccented, U"Ü"},
    {kFace | kLowerAccented, U"ü"},
    {kUpperAccented, U"ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑØÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"},
    {kLowerAccented, U"ßàáâãäåæçèéêëìíîïðñăąāćčďđęěēėğģįīķĺľłļœŕśşšťźżžґﬁﬂ"},
    {kUpperOther, U"ÞΆΈΉΊΌΎΏΪΫ"},
    {kLowerOther, U"άέήίΰ"},
    {kBox, U"│┌┐┘├┤┬┼▀▄█▌▐░▒▓"},
};

struct Range {
  uint32_t classes;
  char32_t first, last;
};
constexpr Range kRanges[] = {
    {kUpperOther, U'Α', U'Ω'}, {kUpperOther, U'Ё', U'Я'}, {kLowerOther, U'α', U'ω'},
    {kLowerOther, U'а', U'џ'}, {kBox, U'═', U'╬'},
};

uint32_t classes_of(char32_t c) {
  static const std::unordered_map<char32_t, uint32_t> listed = [] {
    std::unordered_map<char32_t, uint32_t> table;
    for (const auto& [classes, characters] : kListed) {
      for (const char32_t member : characters) table[member] |= classes;
    }
    for (const auto& [classes, first, last] : kRanges) {
      for (char32_t member = first; member <= last; ++member) table[member] |= classes;
    }
    return table;
  }();
  uint32_t classes = 0;
  if (c >= 'a' && c <= 'z') classes |= kAsciiLower;
  if (c >= 'A' && c <= 'Z') classes |= kAsciiUpper;
  if (!(classes & kAsciiLetter)) classes |= kNotAsciiLetter;
  if (c >= 0x80 && c <= 0x9F) classes |= kC1;
  if (c != '\n') classes |= kNotLineFeed;
  if (is_python_space(c)) classes |= kSpace;
  if (is_word(c)) classes |= kWord;
  if (const auto found = listed.find(c); found != listed.end()) classes |= found->second;
  return classes;
}

// One place of a pattern: any of the classes, or one of the characters.
struct Place {
  Place(uint32_t classes, std::u32string_view also = {}) : classes(classes), also(also) {}
  Place(std::u32string_view characters) : classes(0), also(characters) {}
  Place(const char32_t* characters) : classes(0), also(characters) {}

  uint32_t classes;
  std::u32string_view also;
};

struct Pattern {
  std::vector<Place> places;
  bool only_at_start = false;
};

// clang-format off
const std::vector<Pattern>& patterns() {
  // Letters that lead the windows-1251 and windows-1253 readings of two-byte sequences.
  constexpr std::u32string_view kCyrillicLead = U"ВГРС", kGreekLead = U"ΒΓΞΟ";
  constexpr std::u32string_view kLatinA = U"ÃÂ";
  constexpr uint32_t kNotCommon = kAccented | kBox | kPunctuation | kCurrency | kNumeric | kLaw;
  constexpr uint32_t kArabicTail = kCommon | kCurrency | kStrange | kNumeric | kOpening;
  constexpr std::u32string_view kArabicTailAlso = U"ŸŠ®°µ»";
  constexpr uint32_t kMiddle = kC1 | kStrange | kPunctuation | kCurrency;
  static const std::vector<Pattern> list = {
      // Any script.
      {{kC1}},
      {{kStrange | kNotCommon, kStrange}},
      {{kStrange, kNotCommon}},
      {{kAsciiLetter, kLowerOther | kUpperOther, kStrange}},
      {{kLowerAccented | kLowerOther | kBox | kClosing | kCurrency | kNumeric, kUpperAccented}},
      {{kBox | kClosing | kCurrency | kNumeric, kLowerAccented}},
      {{kLowerAccented | kBox | kClosing, kCurrency}},
      {{kSpace, kUpperAccented, kCurrency}},
      {{kUpperAccented | kBox, kNumeric | kLaw}},
      {{kAccented | kBox | kCurrency | kClosing, kOpening, kNumeric}},
      {{kAccented | kCurrency | kNumeric | kBox | kLaw, kClosing, kOpening}},
      {{kCurrency | kNumeric | kBox, kOpening}},
      {{kAsciiLower, kUpperAccented, kOpening | kCurrency}},
      {{kBox, kFace}},
      {{kAccented | kCurrency | kNumeric | kPunctuation | kLaw, kBox}},
      {{kBox, kClosing}},
      {{kAccented, kPunctuation, kWord}},
      {{U"Œœ", kNotAsciiLetter}},
      {{kUpperAccented, U"°"}},
      // windows-1252
      {{U"ÂÃÎÐ", {kPunctuation, U"€œŠš¢£Ÿž\u00A0\u00AD®©°·»–—´"}}},
      {{U"×", U"²³"}},
      {{U"ØÙ", {kArabicTail, kArabicTailAlso}, U"ØÙ", {kArabicTail, kArabicTailAlso}}},
      {{U"à", U"²µ¹¼½¾"}},
      {{U"Ã", U"\u00A0¡"}},
      {{kAsciiLower, kLatinA, U" "}},
      {{kAsciiLower, kSpace, kLatinA, U" "}},
      {{kLatinA, U" "}, true},
      {{{kAsciiLower | kClosing, U".,?!"}, U"Â", {kPunctuation, U" "}}},
      // Mac OS Roman
      {{U"√", U"±∂†≠®™´≤≥¥µø"}},
      {{U"≈", U"°¢"}},
      {{U"‚", U"Ä", U"ìîïòôúùû†°¢π"}},
      {{U"‚", U"âó", U"àä°ê"}},
      // windows-1251: punctuation; letters; letters misread twice, near Latin ones
      {{U"в", U"Ђ"}},
      {{kCyrillicLead, {kMiddle, U"°µ"}, kCyrillicLead}},
      {{U"Г", U"ў", U"В", U"Ђ", U"В", kNotLineFeed, {kAsciiLetter, U" "}}},
      // windows-1253, windows-1257
      {{U"β", U"€", U"™\u00A0Ά\u00AD®°"}},
      {{kGreekLead, {kMiddle, U"°"}, kGreekLead}},
      {{U"ā", U"€"}},
  };
  return list;
}
// clang-format on

bool matches(const Pattern& pattern, std::u32string_view text, const std::vector<uint32_t>& classes,
             size_t at) {
  if (pattern.places.size() > text.size() - at) return false;
  for (size_t i = 0; i < pattern.places.size(); ++i) {
    const Place& place = pattern.places[i];
    if (!(classes[at + i] & place.classes) &&
        place.also.find(text[at + i]) == std::u32string_view::npos) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool looks_misread(std::u32string_view text) {
  std::vector<uint32_t> classes;
  classes.reserve(text.size());
  for (const char32_t c : text) classes.push_back(classes_of(c));
  for (size_t at = 0; at < text.size(); ++at) {
    for (const Pattern& pattern : patterns()) {
      if (at > 0 && pattern.only_at_start) continue;
      if (matches(pattern, text, classes, at)) return true;
    }
  }
  return false;
}

}  // namespace ovi::text
