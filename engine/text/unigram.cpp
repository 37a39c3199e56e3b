// SPDX-License-Identifier: Apache-2.0
#include "text/unigram.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <limits>
#include <string>

#include "text/unicode.h"

namespace ovi::text {
namespace {

// How much less likely an unknown character is than the least likely piece.
constexpr double kUnknownPenalty = 10.0;
constexpr int64_t kNoPiece = -1;

}  // namespace

Unigram::Unigram(const sentencepiece::SentencePieceProcessor& model, bool byte_fallback)
    : byte_fallback_(byte_fallback), unknown_id_(model.unk_id()) {
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
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const Piece* piece = find(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + '>');
    byte_ids_[byte] = piece ? piece->id : kNoPiece;
  }
}

const Unigram::Piece* Unigram::find(std::string_view text) const {
  const auto at = std::lower_bound(
      pieces_.begin(), pieces_.end(), text,
      [](const Piece& piece, std::string_view wanted) { return piece.text < wanted; });
  return at != pieces_.end() && at->text == text ? &*at : nullptr;
}

// A run of unknown characters.
void Unigram::encode_unknown(std::string_view word, size_t start, size_t end,
                             std::vector<Token>* tokens) const {
  const auto id_of = [&](size_t at) { return byte_ids_[static_cast<unsigned char>(word[at])]; };
  bool as_bytes = byte_fallback_ && !find(word.substr(start, end - start));  // <unk> written out
  for (size_t at = start; at < end && as_bytes; ++at) as_bytes = id_of(at) != kNoPiece;
  if (!as_bytes) {
    tokens->push_back({unknown_id_, start});
    return;
  }
  for (size_t character = start; character < end; character += utf8_length(word[character])) {
    for (size_t i = 0; i < utf8_length(word[character]); ++i) {
      tokens->push_back({id_of(character + i), character});
    }
  }
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

  // From the end to the beginning, and then in order.
  std::vector<Token> path;
  for (size_t end = word.size(); end > 0; end = best[end].start) {
    const Best& piece = best[end];
    if (piece.id == unknown_id_ && !path.empty() && path.back().id == unknown_id_) {
      path.back().start = piece.start;
    } else {
      path.push_back({piece.id, piece.start});
    }
  }
  for (size_t left = path.size(); left > 0; --left) {
    const Token& token = path[left - 1];
    if (token.id == unknown_id_) {
      encode_unknown(word, token.start, left > 1 ? path[left - 2].start : word.size(), tokens);
    } else {
      tokens->push_back(token);
    }
  }
}

}  // namespace ovi::text
