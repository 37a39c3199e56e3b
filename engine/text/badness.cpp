// SPDX-License-Identifier: Apache-2.0
#include "text/badness.h"

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
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

// All patterns as one row of places, each with the set of characters it takes: bit i of a
// character's set says that place i takes it. A search then is a shift and an "and" a character
// (Baeza-Yates and Gonnet 1992).
struct Row {
  static constexpr size_t kWords = 2;
  using Bits = std::array<uint64_t, kWords>;

  Bits first{}, first_at_start{}, last{};
  std::vector<Bits> sets;       // distinct ones
  std::vector<uint8_t> set_of;  // of U+0000..U+FFFF, index into `sets`
  Bits beyond_word = takers(0x10000), beyond = takers(0x1F600);  // beyond: letters, all else

  Row() : set_of(0x10000) {
    size_t place = 0;
    for (const Pattern& pattern : patterns()) {
      if (!pattern.only_at_start) set(&first, place);
      set(&first_at_start, place);
      place += pattern.places.size();
      set(&last, place - 1);
    }
    if (place > kWords * 64) throw std::logic_error("more places than bits");
    std::map<Bits, uint8_t> known;
    for (char32_t c = 0; c < set_of.size(); ++c) {
      const auto [entry, fresh] = known.emplace(takers(c), static_cast<uint8_t>(sets.size()));
      if (fresh) sets.push_back(entry->first);
      set_of[c] = entry->second;
    }
  }

  static void set(Bits* bits, size_t place) { (*bits)[place / 64] |= uint64_t{1} << place % 64; }

  static Bits takers(char32_t c) {
    const uint32_t classes = classes_of(c);
    Bits bits{};
    size_t at = 0;
    for (const Pattern& pattern : patterns()) {
      for (const Place& place : pattern.places) {
        if ((classes & place.classes) || place.also.find(c) != std::u32string_view::npos) {
          set(&bits, at);
        }
        ++at;
      }
    }
    return bits;
  }
};

}  // namespace

bool looks_misread(std::u32string_view text) {
  static const Row row;
  Row::Bits state{};
  for (size_t at = 0; at < text.size(); ++at) {
    const char32_t c = text[at];
    const Row::Bits& taken = c < row.set_of.size() ? row.sets[row.set_of[c]]
                             : is_word(c)          ? row.beyond_word
                                                   : row.beyond;
    const Row::Bits& first = at == 0 ? row.first_at_start : row.first;
    const uint64_t carry = state[0] >> 63;
    state[0] = ((state[0] << 1) | first[0]) & taken[0];
    state[1] = ((state[1] << 1) | carry | first[1]) & taken[1];
    if ((state[0] & row.last[0]) || (state[1] & row.last[1])) return true;
  }
  return false;
}

}  // namespace ovi::text
