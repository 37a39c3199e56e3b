// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "runtime/error.h"
#include "weights/json_file.h"
#include "weights/mapped_file.h"

namespace ovi::text {
namespace {

using Json = nlohmann::json;

// UMT5's has 303 added tokens of seven members each.
constexpr JsonLimits kTokenLimits{8, size_t{8} << 20, size_t{1} << 20};
constexpr size_t kLongestToken = 1024;  // bytes
constexpr size_t kLargestFile = size_t{64} << 20;  // bytes

// Goes over JSON text member by member and gives a value as text, to be parsed or dropped. It
// sees where values end and not whether all of them are right, so it is as fast as reading.
class Skimmer {
 public:
  explicit Skimmer(std::string_view json) : json_(json) {}

  // Into the object that comes next.
  void enter_object() {
    skip_space();
    expect('{');
  }
  // The next member's name as it is written; nothing at the end of the object, which is left.
  // Its value is to be taken or entered.
  std::optional<std::string_view> next_name() {
    skip_space();
    if (peek() == ',') {
      ++at_;
      skip_space();
    }
    if (peek() == '}') {
      ++at_;
      return std::nullopt;
    }
    const std::string_view name = string();
    skip_space();
    expect(':');
    return name;
  }
  std::string_view value() {
    skip_space();
    const size_t start = at_;
    const char first = peek();
    if (first == '"') {
      string();
    } else if (first == '{' || first == '[') {
      nested();
    } else {
      while (at_ < json_.size() && !ends_scalar(json_[at_])) ++at_;
    }
    return json_.substr(start, at_ - start);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  static bool ends_scalar(char c) { return c == ',' || c == '}' || c == ']' || is_space(c); }

  char peek() const {
    if (at_ >= json_.size()) throw std::runtime_error("it ends too early");
    return json_[at_];
  }
  void expect(char wanted) {
    if (peek() != wanted) {
      throw std::runtime_error("no '" + std::string(1, wanted) + "' at byte " +
                               std::to_string(at_));
    }
    ++at_;
  }
  void skip_space() {
    while (at_ < json_.size() && is_space(json_[at_])) ++at_;
  }
  // What stands between the quotes.
  std::string_view string() {
    expect('"');
    const size_t start = at_;
    while (peek() != '"') at_ += json_[at_] == '\\' ? 2 : 1;
    return json_.substr(start, at_++ - start);
  }
  void nested() {
    int depth = 0;
    do {
      switch (peek()) {
        case '"':
          string();
          continue;
        case '{':
        case '[':
          ++depth;
          break;
        case '}':
        case ']':
          --depth;
          break;
        default:
          break;
      }
      ++at_;
    } while (depth > 0);
  }

  std::string_view json_;
  size_t at_ = 0;
};

std::vector<AddedToken> added_tokens_of(std::string_view list) {
  std::vector<AddedToken> tokens;
  for (const Json& entry : parse_json(list, kTokenLimits)) {
    AddedToken token;
    const Json& id = entry.at("id");
    // What JSON takes for a number may be none of 64 bits.
    if (!id.is_number_integer() || (id.is_number_unsigned() && id.get<uint64_t>() > INT64_MAX))
      throw std::runtime_error("the id of an added token is no number of a token");
    token.id = id.get<int64_t>();
    token.content = entry.at("content").get<std::string>();
    token.single_word = entry.value("single_word", false);
    token.lstrip = entry.value("lstrip", false);
    token.rstrip = entry.value("rstrip", false);
    token.normalized = entry.value("normalized", false);
    if (token.content.empty()) throw std::runtime_error("an added token is empty");
    if (token.content.size() > kLongestToken) {
      throw std::runtime_error("an added token has " + std::to_string(token.content.size()) +
                               " bytes");
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

TokenizerJson read(std::string_view text) {
  TokenizerJson result;
  Skimmer json(text);
  json.enter_object();
  while (const auto name = json.next_name()) {
    if (*name == "added_tokens") {
      result.added_tokens = added_tokens_of(json.value());
    } else if (*name == "model") {
      json.enter_object();
      while (const auto setting = json.next_name()) {
        const std::string_view value = json.value();
        if (*setting == "byte_fallback") result.byte_fallback = parse_json(value).get<bool>();
      }
    } else {
      json.value();
    }
  }
  return result;
}

}  // namespace

TokenizerJson read_tokenizer_json(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (file->size() > kLargestFile) {
    throw Error(ErrorKind::kFormat, path + " has " + std::to_string(file->size() >> 20) +
                                        " MiB, more than a tokeniser's " +
                                        std::to_string(kLargestFile >> 20) +
                                        ": fetch the model's tokeniser again.");
  }
  try {
    return read(file->bytes());
  } catch (const std::exception& problem) {
    throw Error(ErrorKind::kFormat, path + " is damaged: fetch the model's tokeniser again.",
                problem.what());
  }
}

}  // namespace ovi::text
