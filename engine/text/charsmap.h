// The character rules inside a sentencepiece model (its precompiled_charsmap).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::text {

/// Text that knows where it came from.
struct MappedText {
  std::string text;               ///< UTF-8
  std::vector<uint32_t> sources;  ///< for each byte of `text`, a byte offset into the original

  void append(std::string_view piece, size_t source) {
    text += piece;
    if (piece.size() == 1) {
      sources.push_back(static_cast<uint32_t>(source));
    } else {
      sources.insert(sources.end(), piece.size(), static_cast<uint32_t>(source));
    }
  }
  void resize(size_t bytes) {
    text.resize(bytes);
    sources.resize(bytes);
  }
  MappedText first(size_t bytes) const {
    return {text.substr(0, bytes),
            {sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(bytes)}};
  }
  void remove_first(size_t bytes) {
    text.erase(0, bytes);
    sources.erase(sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(bytes));
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

  /// `text` is valid UTF-8 of less than 4 GiB. Sources are offsets into `text` plus `offset`.
  MappedText apply(std::string_view text, size_t offset = 0) const;
  /// Appends what `text` becomes from byte `at` on, about `most` bytes of it. Gives the byte it
  /// came to, which is no later than the end and between clusters.
  size_t apply(std::string_view text, size_t at, size_t offset, size_t most,
               MappedText* result) const;

 private:
  // The replacement of the shortest key that `text` starts with.
  std::optional<std::string_view> find(std::string_view text) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace ovi::text
