// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <algorithm>
#include <array>

#include "text/unicode.h"

namespace ovi::text {
namespace {

bool follows_word(std::string_view before) {
  size_t at = before.size();
  if (at == 0) return false;
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(before[at]) & 0xC0) == 0x80);
  return is_word(code_point_at(before, at));
}

size_t space_after(std::string_view text, size_t at) {
  while (at < text.size() && is_white_space(code_point_at(text, at))) at += utf8_length(text[at]);
  return at;
}

size_t space_before(std::string_view text, size_t at, size_t not_before) {
  while (at > not_before) {
    size_t previous = at - 1;
    while (previous > not_before && (static_cast<unsigned char>(text[previous]) & 0xC0) == 0x80) {
      --previous;
    }
    if (!is_white_space(code_point_at(text, previous))) break;
    at = previous;
  }
  return at;
}

// The tokens by their first byte, the longest first.
using ByFirstByte = std::array<std::vector<const AddedToken*>, 256>;

ByFirstByte by_first_byte(const std::vector<AddedToken>& tokens) {
  ByFirstByte table;
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    table[static_cast<unsigned char>(token.content.front())].push_back(&token);
  }
  for (auto& list : table) {
    std::stable_sort(list.begin(), list.end(), [](const AddedToken* a, const AddedToken* b) {
      return a->content.size() > b->content.size();
    });
  }
  return table;
}

const AddedToken* longest_at(std::string_view text, size_t at, const ByFirstByte& tokens) {
  for (const AddedToken* token : tokens[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at, token->content.size()) == token->content) return token;
  }
  return nullptr;
}

}  // namespace

std::vector<Stretch> split_at_tokens(std::string_view text, const std::vector<AddedToken>& tokens) {
  const ByFirstByte table = by_first_byte(tokens);
  std::vector<Stretch> stretches;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = longest_at(text, at, table);
    if (!token) {
      ++at;
      continue;
    }
    size_t start = at, end = at + token->content.size();
    at = end;
    if (token->single_word && (follows_word(text.substr(0, start)) ||
                               (end < text.size() && is_word(code_point_at(text, end))))) {
      continue;
    }
    if (token->lstrip) start = space_before(text, start, done);
    if (token->rstrip) end = space_after(text, end);
    if (done < start) stretches.push_back({std::nullopt, done, start});
    stretches.push_back({token->id, start, end});
    done = end;
    at = std::max(at, done);
  }
  if (done < text.size()) stretches.push_back({std::nullopt, done, text.size()});
  return stretches;
}

}  // namespace ovi::text
