// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <new>
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
constexpr size_t kLongestToken = 1024;             // bytes
constexpr double kMostGrowth = 64;                 // of a text, by all replacements together
constexpr size_t kLargestFile = size_t{64} << 20;  // bytes

/// `what()` goes on with a sentence that begins with the file.
struct UnknownRule : std::runtime_error {
  using std::runtime_error::runtime_error;
};

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

// `rules` (a normalizer or a pre-tokenizer), or what a Sequence of them holds in `list`.
std::vector<Json> sequence_of(const Json& rules, const char* list) {
  if (rules.is_null()) return {};
  if (rules.at("type") != "Sequence") return {rules};
  std::vector<Json> all;
  for (const Json& rule : rules.at(list)) {
    for (Json& inner : sequence_of(rule, list)) all.push_back(std::move(inner));
  }
  return all;
}

[[noreturn]] void refuse(const Json& rule) {
  throw UnknownRule("asks for the text rule " + brief(rule) + ", which UMT5's tokeniser has not");
}

NormalizerStep step_of(const Json& rule) {
  using Kind = NormalizerStep::Kind;
  NormalizerStep step;
  const Json& type = rule.at("type");
  if (type == "Precompiled") {
    step.kind = Kind::kCharsMap;
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    step.left = rule.at("strip_left").get<bool>();
    step.right = rule.at("strip_right").get<bool>();
  } else if (type == "Replace") {
    step.kind = Kind::kReplace;
    const Json& pattern = rule.at("pattern");
    step.content = rule.at("content").get<std::string>();
    if (pattern.contains("String")) {
      step.pattern = pattern.at("String").get<std::string>();
    } else if (pattern.at("Regex") == " {2,}" || pattern.at("Regex") == " +") {
      step.pattern = " ";
      step.least = pattern.at("Regex") == " +" ? 1 : 2;
    } else {
      refuse(rule);
    }
    if (step.pattern.empty()) refuse(rule);
  } else {
    refuse(rule);
  }
  return step;
}

// Times the length of a text that the steps can make of it.
double growth_of(const std::vector<NormalizerStep>& steps) {
  double growth = 1;
  for (const NormalizerStep& step : steps) {
    if (step.kind != NormalizerStep::Kind::kReplace) continue;
    const auto from = static_cast<double>(step.pattern.size() * std::max<size_t>(step.least, 1));
    growth *= std::max(1.0, static_cast<double>(step.content.size()) / from);
  }
  return growth;
}

WordRules word_rules_of(const Json& rules) {
  WordRules words{WordRules::Prefix::kNever, false, false};
  bool meta_space = false;
  for (const Json& rule : sequence_of(rules, "pretokenizers")) {
    const Json& type = rule.at("type");
    if (type == "WhitespaceSplit" && !meta_space) {
      words.drop_white_space = true;
      continue;
    }
    if (type != "Metaspace" || meta_space || rule.at("replacement") != kMetaSpace) refuse(rule);
    meta_space = true;
    // Before prepend_scheme there was add_prefix_space.
    const std::string scheme =
        rule.value("prepend_scheme", rule.value("add_prefix_space", true) ? "always" : "never");
    if (scheme == "always") {
      words.prefix = WordRules::Prefix::kAlways;
    } else if (scheme == "first") {
      words.prefix = WordRules::Prefix::kFirst;
    } else if (scheme != "never") {
      refuse(rule);
    }
    words.split = rule.value("split", true);
    if (words.drop_white_space && (words.prefix != WordRules::Prefix::kAlways || !words.split))
      refuse(rule);
  }
  if (!meta_space) refuse(rules);
  return words;
}

TokenizerJson read(std::string_view text) {
  TokenizerJson result;
  Skimmer json(text);
  json.enter_object();
  while (const auto name = json.next_name()) {
    if (*name == "added_tokens") {
      result.added_tokens = added_tokens_of(json.value());
    } else if (*name == "normalizer") {
      result.normalizer.clear();
      for (const Json& rule : sequence_of(parse_json(json.value(), kTokenLimits), "normalizers")) {
        result.normalizer.push_back(step_of(rule));
      }
      if (growth_of(result.normalizer) > kMostGrowth)
        throw UnknownRule("makes texts much longer than UMT5's tokeniser does");
    } else if (*name == "pre_tokenizer") {
      result.words = word_rules_of(parse_json(json.value(), kTokenLimits));
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
  std::string text(file->size(), '\0');
  file->read(0, text.data(), text.size());
  try {
    return read(text);
  } catch (const UnknownRule& rule) {
    throw Error(ErrorKind::kFormat,
                path + ' ' + rule.what() + ": fetch google/umt5-xxl's tokenizer.json.");
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& problem) {
    throw Error(ErrorKind::kFormat, path + " is damaged: fetch the model's tokeniser again.",
                problem.what());
  }
}

}  // namespace ovi::text
