// SPDX-License-Identifier: Apache-2.0
#include "text/code_pages.h"

namespace ovi::text {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr unsigned char kLostByte = 0x1A;
constexpr int16_t kNone = -1;

// clang-format off
// One row of 128 a page, in the order of PageName: the character of each byte from 80 on.
constexpr std::array<char16_t, 128> kUpperHalves[kPageCount] = {
#include "text/code_pages.inc"
};
// clang-format on

}  // namespace

CodePage::CodePage(const std::array<char16_t, 128>& upper, bool lossy)
    : upper_(upper), lossy_(lossy), bytes_(0x10000, kNone) {
  for (int byte = 255; byte >= 0; --byte) {  // of two that read the same, the lower one counts
    bytes_[decode(static_cast<unsigned char>(byte))] = static_cast<int16_t>(byte);
  }
}

std::optional<std::string> CodePage::encode(std::u32string_view text) const {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) {
    const int16_t byte = c < bytes_.size() ? bytes_[c] : kNone;
    if (byte == kNone) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

char32_t CodePage::decode(unsigned char byte) const {
  if (lossy_ && byte == kLostByte) return kReplacement;
  return byte < 0x80 ? byte : upper_[byte - 0x80];
}

const std::array<CodePage, kPageCount>& code_pages() {
  const auto page = [](PageName name) {
    return CodePage(kUpperHalves[name], name >= kWindows1252 && name <= kWindows1257);
  };
  static const std::array<CodePage, kPageCount> pages = {
      page(kLatin1),      page(kWindows1252), page(kWindows1251), page(kWindows1250),
      page(kWindows1253), page(kWindows1254), page(kWindows1257), page(kIso8859_2),
      page(kMacRoman),    page(kCodePage437)};
  return pages;
}

}  // namespace ovi::text
