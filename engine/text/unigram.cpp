// SPDX-License-Identifier: Apache-2.0
#include "text/unigram.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <limits>

#include "text/unicode.h"

namespace ovi::text {
namespace {

// How much less likely an unknown character is than the least likely piece.
constexpr double kUnknownPenalty = 10.0;

}  // namespace

Unigram::Unigram(const sentencepiece::SentencePieceProcessor& model) : unknown_id_(model.unk_id()) {
  const int count = model.GetPieceSize();
  pieces_.reserve(static_cast<size_t>(count));
  double lowest = std::numeric_limits<double>::infinity();
  for (int id = 0; id < count; ++id) {
    pieces_.push_back({model.IdToPiece(id), id, model.GetScore(id)});
    lowest = std::min<double>(lowest, pieces_.back().score);
  }
  std::sort(pieces_.begin(), pieces_.end(),
            [](const Piece& a, const Piece& b) { return a.text < b.text; });
  unknown_score_ = lowest - kUnknownPenalty;
}

void Unigram::encode(std::string_view word, std::vector<Token>* tokens) const {
  struct Best {  // the best path that ends here, and its last piece
    double score = -std::numeric_limits<double>::infinity();
    size_t start = 0;
    int64_t id = 0;
  };
  std::vector<Best> best(word.size() + 1);
  best[0].score = 0;
  const auto offer = [&](size_t start, size_t end, int64_t id, double score) {
    const double total = best[start].score + score;
    if (total > best[end].score) best[end] = {total, start, id};
  };
  for (size_t start = 0; start < word.size(); start += utf8_length(word[start])) {
    const size_t next = start + utf8_length(word[start]);
    bool has_character = false;
    // Pieces that begin with the bytes seen so far, narrowed byte by byte.
    auto first = pieces_.begin(), last = pieces_.end();
    for (size_t end = start + 1; end <= word.size() && first != last; ++end) {
      const size_t depth = end - start - 1;
      const auto byte_of = [depth](const Piece& piece) {
        return depth < piece.text.size() ? static_cast<unsigned char>(piece.text[depth]) : -1;
      };
      const int wanted = static_cast<unsigned char>(word[end - 1]);
      first = std::lower_bound(first, last, wanted,
                               [&](const Piece& piece, int byte) { return byte_of(piece) < byte; });
      last = std::upper_bound(first, last, wanted,
                              [&](int byte, const Piece& piece) { return byte < byte_of(piece); });
      if (first != last && first->text.size() == end - start) {
        offer(start, end, first->id, first->score);
        has_character = has_character || end == next;
      }
    }
    if (!has_character) offer(start, next, unknown_id_, unknown_score_);
  }

  const size_t before = tokens->size();
  for (size_t end = word.size(); end > 0; end = best[end].start) {
    const Best& piece = best[end];
    const bool joins_next =
        piece.id == unknown_id_ && tokens->size() > before && tokens->back().id == unknown_id_;
    if (joins_next) {
      tokens->back().start = piece.start;
    } else {
      tokens->push_back({piece.id, piece.start});
    }
  }
  std::reverse(tokens->begin() + static_cast<std::ptrdiff_t>(before), tokens->end());
}

}  // namespace ovi::text
