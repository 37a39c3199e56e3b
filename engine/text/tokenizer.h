// UMT5's tokeniser: cleaned text to token ids.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::text {

constexpr int64_t kMaxTextTokens = 512;
/// Tokens of one text that are counted, where its maximum is less.
constexpr int64_t kMostCounted = 16 * kMaxTextTokens;

struct Tokens {
  std::vector<int64_t> ids;  ///< `max_length` of them: tokens, </s>, then padding
  int64_t length = 0;        ///< ids that are no padding, with </s>
  /// What `length` would be without a maximum; above kMostCounted: at least that.
  int64_t uncut_length = 0;
  int64_t cut_at = -1;  ///< byte of the text where the first dropped token began; -1: none
};

/// Gives the ids of the tokenizer.json that UMT5 is published with (Hugging Face's tokenizers):
/// character rules of the model, a space before the text, unigram segmentation, a run of unknown
/// characters as one <unk> (or as its bytes, where tokenizer.json asks for that), </s> at the end;
/// and special tokens (</s>, <pad>, ...) that are written in the text are those tokens.
class Tokenizer {
 public:
  /// Reads the model and, when it lies beside it, special tokens and byte_fallback in
  /// tokenizer.json; otherwise the model's own control pieces are the special tokens.
  /// Throws Error that names the file: not there, not readable, damaged.
  explicit Tokenizer(const std::string& spiece_model_path);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Throws Error(kFormat) that names file, token and numbers when a token's id is not one of
  /// 0..rows-1, `rows` being those of the encoder's embedding.
  void check_ids(int64_t rows) const;

  /// Keeps the first max_length - 1 tokens and </s>. Throws Error(kSettings) when `text` is not
  /// UTF-8 or `max_length` is less than 1.
  Tokens encode(std::string_view text, int64_t max_length = kMaxTextTokens) const;

 private:
  struct Model;
  std::unique_ptr<const Model> model_;
};

}  // namespace ovi::text
