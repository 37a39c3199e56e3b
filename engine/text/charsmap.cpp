// SPDX-License-Identifier: Apache-2.0
#include "text/charsmap.h"

#include <algorithm>
#include <limits>

#include "runtime/error.h"
#include "text/graphemes.h"
#include "text/unicode.h"

namespace ovi::text {
namespace {

// A cluster is looked up whole only when it is shorter than this many bytes.
constexpr size_t kLongCluster = 6;
constexpr size_t kLongestReplacement = 64;  // bytes; the published one is 33, of U+FDFA

uint32_t read_uint32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// A unit of a darts-clone double array: a label and whether a value hangs below it, or a value.
bool has_value(uint32_t unit) { return unit >> 8 & 1; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

}  // namespace

CharsMap::CharsMap(std::string_view blob) {
  if (blob.empty()) return;
  const size_t trie_bytes = blob.size() < 4 ? 0 : read_uint32(blob, 0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    throw Error(ErrorKind::kFormat, "The character rules of the tokeniser model are damaged.",
                "trie of " + std::to_string(trie_bytes) + " bytes in a map of " +
                    std::to_string(blob.size()));
  }
  trie_.reserve(trie_bytes / 4);
  for (size_t at = 4; at < 4 + trie_bytes; at += 4) trie_.push_back(read_uint32(blob, at));
  replacements_ = blob.substr(4 + trie_bytes);
  for (size_t at = 0; at < replacements_.size();) {
    const size_t end = std::min(replacements_.find('\0', at), replacements_.size());
    if (end - at > kLongestReplacement) {
      throw Error(ErrorKind::kFormat, "The character rules of the tokeniser model are damaged.",
                  "a replacement of " + std::to_string(end - at) + " bytes");
    }
    at = end + 1;
  }
}

std::optional<std::string_view> CharsMap::find(std::string_view text) const {
  if (trie_.empty()) return std::nullopt;
  size_t node = offset_of(trie_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= trie_.size() || label_of(trie_[node]) != byte) return std::nullopt;
    const uint32_t unit = trie_[node];
    node ^= offset_of(unit);
    if (has_value(unit)) {
      const size_t start = node < trie_.size() ? value_of(trie_[node]) : replacements_.size();
      if (start >= replacements_.size()) return std::nullopt;
      const size_t end = replacements_.find('\0', start);
      return std::string_view(replacements_).substr(start, end - start);
    }
  }
  return std::nullopt;
}

MappedText CharsMap::apply(std::string_view text, size_t offset) const {
  MappedText result;
  result.text.reserve(text.size());
  result.sources.reserve(text.size());
  apply(text, 0, offset, std::numeric_limits<size_t>::max(), &result);
  return result;
}

size_t CharsMap::apply(std::string_view text, size_t at, size_t offset, size_t most,
                       MappedText* result) const {
  const size_t before = result->text.size();
  while (at < text.size() && result->text.size() - before < most) {
    const size_t end = grapheme_end(text, at);
    if (end - at < kLongCluster) {
      if (const auto replacement = find(text.substr(at, end - at))) {
        result->append(*replacement, offset + at);
        at = end;
        continue;
      }
    }
    for (; at < end; at += utf8_length(text[at])) {
      const std::string_view character = text.substr(at, utf8_length(text[at]));
      result->append(find(character).value_or(character), offset + at);
    }
  }
  return at;
}

}  // namespace ovi::text
