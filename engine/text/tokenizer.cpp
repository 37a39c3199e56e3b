// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "runtime/error.h"
#include "text/added_tokens.h"
#include "text/charsmap.h"
#include "text/normalizer.h"
#include "text/spiece_model.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"
#include "text/unigram.h"

namespace ovi::text {
namespace {

constexpr size_t kPortion = size_t{16} << 10;  // bytes that are mapped at once
// UMT5 has 303 added tokens of 12 bytes. Each place of a text is held against all of them.
constexpr size_t kMostAdded = 4096, kMostAddedBytes = size_t{64} << 10;

struct PlacedToken {
  int64_t id;
  size_t source;  // byte of the text
};

std::vector<AddedToken> special_pieces(const SpieceModel& model) {
  std::vector<AddedToken> tokens;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SpieceModel::Piece& piece = model.pieces[id];
    if (piece.type == PieceType::kControl || piece.type == PieceType::kUnknown) {
      tokens.push_back({static_cast<int64_t>(id), piece.text});
    }
  }
  return tokens;
}

TokenizerJson settings_beside(const std::string& spiece_model_path, const SpieceModel& model) {
  const auto json = std::filesystem::path(spiece_model_path).replace_filename("tokenizer.json");
  std::error_code status;
  if (std::filesystem::exists(json, status)) return read_tokenizer_json(json.string());
  return {special_pieces(model)};
}

// Where the last word begins, at the spaces before it; nothing where that is the first one. What
// stands before is not changed by what may come after the text.
std::optional<size_t> last_word(const MappedText& text) {
  for (size_t space = text.text.rfind(' '); space != std::string::npos && space > 0;
       space = text.text.rfind(' ', space - 1)) {
    const size_t after = space + 1;
    if (after == text.text.size() || is_white_space(code_point_at(text.text, after))) continue;
    while (space > 0 && text.text[space - 1] == ' ') --space;
    if (space > 0) return space;
    break;
  }
  return std::nullopt;
}

}  // namespace

struct Tokenizer::Model {
  explicit Model(const std::string& path)
      : path(path),
        pieces(read_spiece_model(path)),
        charsmap(pieces.charsmap),
        settings(settings_beside(path, pieces)),
        unigram(pieces, settings.byte_fallback) {
    size_t bytes = 0;
    for (AddedToken token : settings.added_tokens) {
      bytes += token.content.size();
      if (!token.normalized) {
        written.push_back(std::move(token));
        continue;
      }
      token.content = normalize(token.content, 0, settings.normalizer, charsmap).text;
      normalized.push_back(std::move(token));
    }
    if (settings.added_tokens.size() > kMostAdded || bytes > kMostAddedBytes) {
      throw Error(ErrorKind::kFormat, "The tokeniser of " + path + " has " +
                                          std::to_string(settings.added_tokens.size()) +
                                          " special tokens of " + std::to_string(bytes) +
                                          " bytes; at most " + std::to_string(kMostAdded) + " of " +
                                          std::to_string(kMostAddedBytes) +
                                          " are read: fetch the model's tokeniser again.");
    }
    in_portions = normalized.empty() && settings.normalizer == usual_normalizer() &&
                  settings.words.split && !settings.words.drop_white_space;
  }

  // Tokens of text without special tokens that are `written`; not many more than `most`. A few
  // characters stand for a sentence each, so what is not counted is not mapped either.
  void encode(std::string_view text, size_t offset, size_t most,
              std::vector<PlacedToken>* tokens) const {
    if (!in_portions) return encode_whole(text, offset, tokens);
    const NormalizerStep &strip = settings.normalizer[1], &join = settings.normalizer[2];
    MappedText mapped;  // from the beginning of a word on
    size_t portion = kPortion;
    for (size_t at = 0; at < text.size() && tokens->size() < most;) {
      at = charsmap.apply(text, at, offset, portion, &mapped);
      const bool whole = at == text.size();
      if (whole) mapped = apply(strip, std::move(mapped), charsmap);
      const size_t end = whole ? mapped.text.size() : last_word(mapped).value_or(0);
      // A word longer than that: twice as much, so that the time stays in proportion.
      portion = end == 0 ? 2 * portion : kPortion;
      if (end == 0) continue;
      const MappedText words = apply(join, mapped.first(end), charsmap);
      encode_words(
          with_meta_spaces(words, 0, words.text.size(), words.sources.front() == 0, settings.words),
          tokens);
      mapped.remove_first(end);
    }
  }

  // The same by rules that need to see all of the text.
  void encode_whole(std::string_view text, size_t offset, std::vector<PlacedToken>* tokens) const {
    const MappedText mapped = normalize(text, offset, settings.normalizer, charsmap);
    for (const Stretch& stretch : split_at_tokens(mapped.text, normalized)) {
      if (stretch.token) {
        tokens->push_back({*stretch.token, mapped.sources[stretch.start]});
      } else {
        const bool first = mapped.sources[stretch.start] == 0;
        encode_words(with_meta_spaces(mapped, stretch.start, stretch.end, first, settings.words),
                     tokens);
      }
    }
  }

  // A word begins at each meta space, where words are split.
  void encode_words(const MappedText& text, std::vector<PlacedToken>* tokens) const {
    std::vector<Unigram::Token> word_tokens;
    for (size_t start = 0; start < text.text.size();) {
      const size_t next =
          settings.words.split ? text.text.find(kMetaSpace, start + 1) : std::string::npos;
      const size_t end = std::min(next, text.text.size());
      word_tokens.clear();
      unigram.encode(std::string_view(text.text).substr(start, end - start), &word_tokens);
      for (const auto& token : word_tokens) {
        tokens->push_back({token.id, text.sources[start + token.start]});
      }
      start = end;
    }
  }

  std::string path;
  SpieceModel pieces;
  CharsMap charsmap;
  TokenizerJson settings;
  Unigram unigram;
  std::vector<AddedToken> written, normalized;
  bool in_portions = false;  // each word for itself
};

Tokenizer::Tokenizer(const std::string& spiece_model_path)
    : model_(std::make_unique<const Model>(spiece_model_path)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

void Tokenizer::check_ids(int64_t rows) const {
  const auto refuse = [rows](const std::string& file, const std::string& token, int64_t id) {
    throw Error(ErrorKind::kFormat,
                file + " gives the token \"" + token + "\" the number " + std::to_string(id) +
                    ", but the text encoder has the numbers 0 to " + std::to_string(rows - 1) +
                    ": take both from the same model.");
  };
  const auto count = static_cast<int64_t>(model_->pieces.pieces.size());
  if (count > rows) refuse(model_->path, model_->pieces.pieces.back().text, count - 1);
  const auto json = std::filesystem::path(model_->path).replace_filename("tokenizer.json");
  for (const AddedToken& token : model_->settings.added_tokens) {
    if (token.id < 0 || token.id >= rows) refuse(json.string(), token.content, token.id);
  }
}

Tokens Tokenizer::encode(std::string_view text, int64_t max_length) const {
  if (max_length < 1) {
    throw Error(ErrorKind::kSettings, "A text needs room for at least one token, not " +
                                          std::to_string(max_length) + ".");
  }
  decode_utf8(text);  // throws
  std::vector<PlacedToken> placed;
  const auto most = static_cast<size_t>(std::max(max_length, kMostCounted));
  for (const Stretch& stretch : split_at_tokens(text, model_->written)) {
    if (placed.size() >= most) break;
    if (stretch.token) {
      placed.push_back({*stretch.token, stretch.start});
    } else {
      model_->encode(text.substr(stretch.start, stretch.end - stretch.start), stretch.start, most,
                     &placed);
    }
  }

  Tokens tokens;
  tokens.uncut_length = static_cast<int64_t>(std::min(placed.size(), most)) + 1;
  tokens.length = std::min(tokens.uncut_length, max_length);
  const auto kept = static_cast<size_t>(tokens.length) - 1;
  if (kept < placed.size()) tokens.cut_at = static_cast<int64_t>(placed[kept].source);
  for (size_t i = 0; i < kept; ++i) tokens.ids.push_back(placed[i].id);
  tokens.ids.push_back(model_->pieces.end_id);
  tokens.ids.resize(static_cast<size_t>(max_length), std::max<int64_t>(model_->pieces.pad_id, 0));
  return tokens;
}

}  // namespace ovi::text
