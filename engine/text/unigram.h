// The unigram language model's best segmentation of a word (Kudo 2018, arXiv 1804.10959).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace ovi::text {

/// Searches over the pieces and scores of a sentencepiece model. The library's own search is not
/// used because the tokeniser that UMT5 is run with differs from it: a run of unknown characters
/// is one <unk>, or the pieces of its bytes ("<0xE2>") where tokenizer.json asks for that, and
/// such pieces are ordinary text too.
class Unigram {
 public:
  struct Token {
    int64_t id;
    size_t start;  // bytes into the word; of a byte's piece, where its character begins
  };

  /// Refers to the pieces in `model`, which must live as long. `byte_fallback`: unknown
  /// characters become pieces of their bytes, unless a byte of their run has none.
  explicit Unigram(const sentencepiece::SentencePieceProcessor& model, bool byte_fallback = false);

  /// Appends the tokens of `word`, valid UTF-8.
  void encode(std::string_view word, std::vector<Token>* tokens) const;

 private:
  struct Piece {
    std::string_view text;  // lies in the model
    int32_t id;
    float score;
  };

  const Piece* find(std::string_view text) const;
  void encode_unknown(std::string_view word, size_t start, size_t end,
                      std::vector<Token>* tokens) const;

  std::vector<Piece> pieces_;  // in byte order
  std::array<int64_t, 256> byte_ids_;
  bool byte_fallback_;
  int64_t unknown_id_;
  double unknown_score_;
};

}  // namespace ovi::text
