// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "text/unicode.h"

namespace ovi::text {
namespace {

using Json = nlohmann::json;

// Collects the objects of the top-level array "added_tokens", then stops the parser.
class AddedTokensReader : public nlohmann::json_sax<Json> {
 public:
  std::vector<AddedToken> tokens;
  bool finished = false;
  std::string problem;

  bool null() override { return true; }
  bool boolean(bool value) override {
    if (!in_token()) return true;
    if (key_ == "single_word") tokens.back().single_word = value;
    if (key_ == "lstrip") tokens.back().lstrip = value;
    if (key_ == "rstrip") tokens.back().rstrip = value;
    if (key_ == "normalized") tokens.back().normalized = value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return number(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t& value) override {
    if (in_token() && key_ == "content") tokens.back().content = value;
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override {
    ++depth_;
    if (in_token()) tokens.emplace_back();
    return true;
  }
  bool end_object() override {
    if (--depth_ == 0) finished = true;  // a file without the list
    return true;
  }
  bool start_array(size_t) override {
    ++depth_;
    if (depth_ == kListDepth && key_ == "added_tokens") in_list_ = true;
    return true;
  }
  bool end_array() override {
    if (in_list_ && depth_ == kListDepth) finished = true;
    --depth_;
    return !finished;
  }
  bool key(string_t& value) override {
    key_ = value;
    return true;
  }
  bool parse_error(size_t, const std::string&, const Json::exception& error) override {
    problem = error.what();
    return false;
  }

 private:
  static constexpr int kListDepth = 2, kTokenDepth = 3;

  bool in_token() const { return in_list_ && depth_ == kTokenDepth; }
  bool number(int64_t value) {
    if (in_token() && key_ == "id") tokens.back().id = value;
    return true;
  }

  int depth_ = 0;
  bool in_list_ = false;
  std::string key_;
};

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

const AddedToken* longest_at(std::string_view text, size_t at,
                             const std::vector<AddedToken>& tokens) {
  const AddedToken* longest = nullptr;
  for (const AddedToken& token : tokens) {
    if (!token.content.empty() && text.substr(at, token.content.size()) == token.content &&
        (!longest || token.content.size() > longest->content.size())) {
      longest = &token;
    }
  }
  return longest;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const std::string& tokenizer_json_path) {
  std::ifstream file(tokenizer_json_path, std::ios::binary);
  if (!file) {
    throw Error(ErrorKind::kOpenRead, "Cannot open " + tokenizer_json_path + ".");
  }
  AddedTokensReader reader;
  Json::sax_parse(file, &reader);
  const bool complete = std::all_of(reader.tokens.begin(), reader.tokens.end(),
                                    [](const AddedToken& token) { return !token.content.empty(); });
  if (!reader.finished || !complete) {
    throw Error(ErrorKind::kFormat,
                tokenizer_json_path + " is damaged: fetch the model's tokeniser again.",
                reader.problem);
  }
  return std::move(reader.tokens);
}

std::vector<Stretch> split_at_tokens(std::string_view text, const std::vector<AddedToken>& tokens) {
  std::vector<Stretch> stretches;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = longest_at(text, at, tokens);
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
