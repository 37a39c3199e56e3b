// The single-byte encodings through which UTF-8 text gets misread, as ftfy 6.3 knows them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::text {

/// Bytes 00..7F are ASCII everywhere; `upper` says what 80..FF stand for.
class CodePage {
 public:
  /// A lossy page is a windows-125x one as programs really treat it: bytes the standard leaves
  /// unassigned pass as Latin-1, and U+FFFD stands for a byte that was lost, written 1A.
  CodePage(const std::array<char16_t, 128>& upper, bool lossy);

  /// The bytes that read as `text` in this encoding; nothing when a character has none.
  std::optional<std::string> encode(std::u32string_view text) const;
  char32_t decode(unsigned char byte) const;
  bool lossy() const { return lossy_; }

 private:
  const std::array<char16_t, 128>& upper_;
  bool lossy_;
  std::vector<int16_t> bytes_;  // by character; -1: none
};

enum PageName {
  kLatin1,
  kWindows1252,
  kWindows1251,
  kWindows1250,
  kWindows1253,
  kWindows1254,
  kWindows1257,
  kIso8859_2,
  kMacRoman,
  kCodePage437,
  kPageCount
};

/// In the order in which a repair tries them.
const std::array<CodePage, kPageCount>& code_pages();

}  // namespace ovi::text
