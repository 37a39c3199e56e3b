// The character rules inside a sentencepiece model (its precompiled_charsmap).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::text {

/// Text that knows where it came from.
struct MappedText {
  std::string text;             ///< UTF-8
  std::vector<size_t> sources;  ///< for each byte of `text`, a byte offset into the original

  void append(std::string_view piece, size_t source) {
    text += piece;
    if (piece.size() == 1) {
      sources.push_back(source);
    } else {
      sources.insert(sources.end(), piece.size(), source);
    }
  }
};

/// Replaces characters as Hugging Face's tokenizers do, which is not quite as sentencepiece does:
/// by grapheme cluster, and by the shortest rule that fits.
class CharsMap {
 public:
  /// `blob`: byte length of the trie (uint32, little endian), the trie (darts-clone double array
  /// of uint32), then the replacements, each ended by a zero byte. Empty: no rules.
  /// Throws Error(kFormat).
  explicit CharsMap(std::string_view blob);

  /// `text` is valid UTF-8. Sources are offsets into `text` plus `offset`.
  MappedText apply(std::string_view text, size_t offset = 0) const;

 private:
  // The replacement of the shortest key that `text` starts with.
  std::optional<std::string_view> find(std::string_view text) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace ovi::text
