// SPDX-License-Identifier: Apache-2.0
#include "text/unigram.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include "text/unicode.h"

namespace ovi::text {
namespace {

// How much less likely an unknown character is than the least likely piece.
constexpr double kUnknownPenalty = 10.0;
constexpr int64_t kNoPiece = -1;

}  // namespace

Unigram::Unigram(const SpieceModel& model, bool byte_fallback)
    : model_(model), byte_fallback_(byte_fallback), unknown_id_(model.unknown_id) {
  double lowest = std::numeric_limits<double>::infinity();
  for (const auto& piece : model.pieces) lowest = std::min<double>(lowest, piece.score);
  unknown_score_ = lowest - kUnknownPenalty;

  std::vector<int32_t> sorted(model.pieces.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  const auto text_of = [&](int32_t id) -> const std::string& {
    return model.pieces[static_cast<size_t>(id)].text;
  };
  std::sort(sorted.begin(), sorted.end(),
            [&](int32_t a, int32_t b) { return text_of(a) < text_of(b); });
  // Breadth first: each node's pieces are a range of the sorted ones.
  struct Range {
    size_t first, last, depth;
  };
  std::vector<Range> ranges = {{0, sorted.size(), 0}};
  nodes_.emplace_back();
  for (size_t node = 0; node < nodes_.size(); ++node) {
    auto [at, last, depth] = ranges[node];
    if (at < last && text_of(sorted[at]).size() == depth) nodes_[node].id = sorted[at++];
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (at < last) {
      const size_t first = at;
      const char byte = text_of(sorted[first])[depth];
      while (at < last && text_of(sorted[at])[depth] == byte) ++at;
      nodes_.push_back({0, -1, 0, static_cast<uint8_t>(byte)});
      ranges.push_back({first, at, depth + 1});
      ++nodes_[node].children;
    }
  }

  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const Node* piece = find(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + '>');
    byte_ids_[byte] = piece ? piece->id : kNoPiece;
  }
}

const Unigram::Node* Unigram::child(const Node& node, char byte) const {
  const Node* first = nodes_.data() + node.first_child;
  const Node* last = first + node.children;
  const auto wanted = static_cast<uint8_t>(byte);
  const Node* found = std::lower_bound(
      first, last, wanted, [](const Node& entry, uint8_t value) { return entry.byte < value; });
  return found != last && found->byte == wanted ? found : nullptr;
}

// Null when no piece is `text`.
const Unigram::Node* Unigram::find(std::string_view text) const {
  const Node* node = nodes_.data();
  for (const char byte : text) {
    node = child(*node, byte);
    if (!node) return nullptr;
  }
  return node->id >= 0 ? node : nullptr;
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
    uint32_t start = 0;
    int32_t id = 0;
  };
  std::vector<Best> best(word.size() + 1);
  best[0].score = 0;
  const auto offer = [&](size_t start, size_t end, int64_t id, double score) {
    const double total = best[start].score + score;
    if (total > best[end].score) {
      best[end] = {total, static_cast<uint32_t>(start), static_cast<int32_t>(id)};
    }
  };
  for (size_t start = 0; start < word.size(); start += utf8_length(word[start])) {
    const size_t next = start + utf8_length(word[start]);
    bool has_character = false;
    const Node* node = nodes_.data();
    for (size_t end = start + 1; end <= word.size(); ++end) {
      node = child(*node, word[end - 1]);
      if (!node) break;
      if (node->id < 0) continue;
      offer(start, end, node->id, model_.pieces[static_cast<size_t>(node->id)].score);
      has_character = has_character || end == next;
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
