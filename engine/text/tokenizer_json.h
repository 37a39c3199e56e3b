// What tokenizer.json says that the sentencepiece model beside it does not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"

namespace ovi::text {

struct TokenizerJson {
  std::vector<AddedToken> added_tokens;
  /// model.byte_fallback: characters without a piece become the pieces of their bytes.
  bool byte_fallback = false;
  std::vector<NormalizerStep> normalizer = usual_normalizer();
  WordRules words;
};

/// Reads these and only skims the rest, such as the vocabulary's 16 MB. Any may be missing.
/// Throws Error(kFormat) that names the file, also for a rule that is none of these.
TokenizerJson read_tokenizer_json(const std::string& path);

}  // namespace ovi::text
