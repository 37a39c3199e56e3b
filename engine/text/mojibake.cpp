// SPDX-License-Identifier: Apache-2.0
#include "text/mojibake.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "text/badness.h"
#include "text/code_pages.h"
#include "text/unicode.h"

namespace ovi::text {
namespace {

using Bytes = std::string;
constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";
constexpr unsigned char kLost = 0x1A;  // a byte that was replaced by U+FFFD

bool within(unsigned char byte, int first, int last) { return byte >= first && byte <= last; }
bool is_continuation(unsigned char byte) { return within(byte, 0x80, 0xBF); }

// Byte A0 is a space to many programs, and they write 20 for it. These find a UTF-8 sequence with
// such a space at `at`, and return its length or 0. Lead bytes are limited to those that make
// likely characters; 85 (a line break to such programs) is not trusted beside one.
size_t spaced_sequence(std::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) -> unsigned char {
    return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0;
  };
  const auto certain = [&](size_t i) {
    return is_continuation(byte(i)) && byte(i) != 0x85 && byte(i) != 0xA0;
  };
  const unsigned char lead = byte(0);
  if (lead &&
      std::string_view("\xC2\xC3\xC5\xCE\xD0\xD9").find(bytes[at]) != std::string_view::npos) {
    return byte(1) == ' ' ? 2 : 0;
  }
  if (within(lead, 0xE0, 0xE3)) {
    const bool space_second = lead >= 0xE2 && byte(1) == ' ' && certain(2);
    const bool space_third = certain(1) && byte(2) == ' ';
    return space_second || space_third ? 3 : 0;
  }
  if (lead == 0xF0) {
    int spaces = 0;
    for (size_t i = 1; i < 4; ++i) {
      if (byte(i) == ' ') {
        ++spaces;
      } else if (!is_continuation(byte(i))) {
        return 0;
      }
    }
    return spaces == 1 ? 4 : 0;
  }
  return 0;
}

// "à" as a word of its own lost its A0 and kept its space: give both back. Not before a second
// space (that one is the word's), nor in the Portuguese words that begin with "à".
bool is_lone_a_grave(std::string_view bytes, size_t at) {
  if (bytes.substr(at, 2) != "\xC3 ") return false;
  const std::string_view rest = bytes.substr(at + 2);
  for (const std::string_view word : {" ", "quele", "quela", "quilo", "s "}) {
    if (rest.substr(0, word.size()) == word) return false;
  }
  return true;
}

Bytes restore_a0(std::string_view bytes) {
  Bytes result;
  result.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    if (is_lone_a_grave(bytes, at)) {
      result += "\xC3\xA0 ";
      at += 2;
      continue;
    }
    const size_t length = std::max<size_t>(spaced_sequence(bytes, at), 1);
    const bool sequence = length > 1;
    for (const size_t end = at + length; at < end; ++at) {
      result.push_back(sequence && bytes[at] == ' ' ? '\xA0' : bytes[at]);
    }
  }
  return result;
}

// Length of a UTF-8 sequence at `at` that lost bytes (1A, or once '?'), or 0.
size_t lossy_sequence(std::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) -> unsigned char {
    return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0;
  };
  // Whether `count` bytes from `i` are a sequence's tail of which something, but not more than one
  // byte through '?', was lost.
  const auto lossy_tail = [&](std::initializer_list<size_t> places) {
    int lost = 0, questions = 0;
    for (const size_t i : places) {
      if (byte(i) == '?') {
        ++questions;
      } else if (byte(i) == kLost) {
        ++lost;
      } else if (!is_continuation(byte(i))) {
        return false;
      }
    }
    return questions <= 1 && lost + questions > 0;
  };
  const unsigned char lead = byte(0);
  if (within(lead, 0xC2, 0xDF)) return byte(1) == kLost || (lead <= 0xC3 && byte(1) == '?') ? 2 : 0;
  if (lead == 0xED && within(byte(1), 0xA0, 0xAF) && byte(3) == 0xED &&
      within(byte(4), 0xB0, 0xBF)) {
    // A surrogate pair may lose a byte of each half, also both through '?'.
    const auto lost = [&](size_t i) { return byte(i) == kLost || byte(i) == '?'; };
    if ((lost(2) || lost(5)) && (lost(2) || is_continuation(byte(2))) &&
        (lost(5) || is_continuation(byte(5)))) {
      return 6;
    }
  }
  if (within(lead, 0xE0, 0xEF)) return lossy_tail({1, 2}) ? 3 : 0;
  if (within(lead, 0xF0, 0xF4)) return lossy_tail({1, 2, 3}) ? 4 : 0;
  return lead == kLost ? 1 : 0;
}

Bytes replace_lossy(std::string_view bytes) {
  Bytes result;
  result.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    if (const size_t length = lossy_sequence(bytes, at)) {
      result += kReplacementUtf8;
      at += length;
    } else {
      result.push_back(bytes[at++]);
    }
  }
  return result;
}

// The text that `page` misread, if it can have been that page.
std::optional<std::u32string> reread(PageName page, Bytes bytes) {
  // In Mac OS Roman the pattern would be an en dash before a space.
  if (page != kMacRoman) bytes = restore_a0(bytes);
  if (code_pages()[page].lossy()) bytes = replace_lossy(bytes);
  const bool variants = bytes.find_first_of("\xED\xC0") != Bytes::npos;
  return try_decode_utf8(bytes, variants);
}

// Which part of a UTF-8 sequence a character can be the reading of.
enum Part : unsigned char {
  kLead2 = 1,
  kLead3 = 2,
  kLead4 = 4,
  kTail = 8,
  kSureTail = 16,  // and hardly stands for itself
};

unsigned char parts_of(char32_t c) {
  static const std::vector<unsigned char> parts = [] {
    constexpr std::u32string_view kDashesAndQuotes = U"–—―‘’‚“”„•…";
    std::vector<unsigned char> table(0x10000);
    for (const PageName name : {kLatin1, kWindows1252, kWindows1251, kWindows1250, kWindows1253,
                                kWindows1254, kWindows1257}) {
      for (int byte = 0x80; byte <= 0xFF; ++byte) {
        const char32_t member = code_pages()[name].decode(static_cast<unsigned char>(byte));
        if (byte <= 0xBF) {
          const bool sure = kDashesAndQuotes.find(member) == std::u32string_view::npos;
          table[member] |= sure ? kTail | kSureTail : kTail;
        } else if (byte >= 0xC2 && byte <= 0xDF) {
          table[member] |= kLead2;
        } else if (byte >= 0xE0 && byte <= 0xEF) {
          table[member] |= kLead3;
        } else if (byte == 0xF0 || byte == 0xF3) {
          table[member] |= kLead4;
        }
      }
    }
    table[U' '] = kTail;  // for A0
    return table;
  }();
  return c < parts.size() ? parts[c] : 0;
}

// Length in characters of what looks like one misread sequence at `at`, or 0.
size_t misread_sequence(std::u32string_view text, size_t at) {
  const unsigned char lead = parts_of(text[at]);
  size_t tail = 0;
  while (tail < 3 && at + 1 + tail < text.size() && parts_of(text[at + 1 + tail]) & kTail) ++tail;
  if (lead & kLead2 && tail >= 1) return 2;
  if (lead & kLead3 && tail >= 2) return 3;
  if (lead & kLead4 && tail >= 3) return 4;
  return 0;
}

// Repairs runs of misread sequences on their own, in text that is no whole misreading. A run after
// a sure tail is part of a larger garble and stays.
std::u32string repair_runs(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    if (at == 0 || !(parts_of(text[at - 1]) & kSureTail)) {
      while (end < text.size()) {
        const size_t length = misread_sequence(text, end);
        if (length == 0) break;
        end += length;
      }
    }
    if (end == at) {
      result.push_back(text[at++]);
      continue;
    }
    const std::u32string_view run = text.substr(at, end - at);
    result += run.size() < text.size() && looks_misread(run) ? repair_encoding(run) : run;
    at = end;
  }
  return result;
}

bool is_c1(char32_t c) { return c >= 0x80 && c <= 0x9F; }

std::u32string repair_once(std::u32string_view text) {
  if (!looks_misread(text)) return std::u32string(text);
  for (int page = 0; page < kPageCount; ++page) {
    const auto bytes = code_pages()[page].encode(text);
    if (!bytes) continue;
    if (auto repaired = reread(static_cast<PageName>(page), *bytes)) return *repaired;
  }
  if (std::u32string repaired = repair_runs(text); repaired != text) return repaired;
  // What is left of C1 is Latin-1 that was meant as windows-1252. Mixtures of other single-byte
  // pages cannot be told from text.
  return replace_c1_controls(text);
}

}  // namespace

std::u32string repair_encoding(std::u32string_view text) {
  std::u32string current(text);
  while (true) {
    std::u32string repaired = repair_once(current);
    if (repaired == current) return current;
    current = std::move(repaired);
  }
}

std::u32string replace_c1_controls(std::u32string_view text) {
  std::u32string result(text);
  for (char32_t& c : result) {
    if (is_c1(c)) c = code_pages()[kWindows1252].decode(static_cast<unsigned char>(c));
  }
  return result;
}

}  // namespace ovi::text
