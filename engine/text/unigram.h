// The unigram language model's best segmentation of a word (Kudo 2018, arXiv 1804.10959).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace ovi::text {

/// Searches over the pieces and scores of a sentencepiece model. The library's own search is not
/// used because the tokeniser that UMT5 is run with differs from it: bytes of unknown characters
/// get no pieces, a run of unknown characters is one <unk>, and pieces such as "<0x41>" are
/// ordinary text.
class Unigram {
 public:
  struct Token {
    int64_t id;
    size_t start;  // bytes into the word
  };

  /// Refers to the pieces in `model`, which must live as long.
  explicit Unigram(const sentencepiece::SentencePieceProcessor& model);

  /// Appends the tokens of `word`, valid UTF-8.
  void encode(std::string_view word, std::vector<Token>* tokens) const;

 private:
  struct Piece {
    std::string_view text;  // lies in the model
    int32_t id;
    float score;
  };

  std::vector<Piece> pieces_;  // in byte order
  int64_t unknown_id_;
  double unknown_score_;
};

}  // namespace ovi::text
