// The unigram language model's best segmentation of a word (Kudo 2018, arXiv 1804.10959).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/spiece_model.h"

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
  explicit Unigram(const SpieceModel& model, bool byte_fallback = false);

  /// Appends the tokens of `word`, valid UTF-8.
  void encode(std::string_view word, std::vector<Token>* tokens) const;

 private:
  // A node of the trie of all pieces. The children of a node lie together, in byte order.
  struct Node {
    uint32_t first_child = 0;
    int32_t id = -1;  // of the piece that ends here
    uint16_t children = 0;
    uint8_t byte = 0;
  };

  const Node* child(const Node& node, char byte) const;
  const Node* find(std::string_view text) const;
  void encode_unknown(std::string_view word, size_t start, size_t end,
                      std::vector<Token>* tokens) const;

  const SpieceModel& model_;
  std::vector<Node> nodes_;
  std::array<int64_t, 256> byte_ids_;
  bool byte_fallback_;
  int64_t unknown_id_;
  double unknown_score_;
};

}  // namespace ovi::text
