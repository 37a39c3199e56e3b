// What tokenizer.json says that the sentencepiece model beside it does not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace ovi::text {

struct TokenizerJson {
  std::vector<AddedToken> added_tokens;
  /// model.byte_fallback: characters without a piece become the pieces of their bytes.
  bool byte_fallback = false;
};

/// Reads these two and only skims the rest, such as the vocabulary's 16 MB. Either may be
/// missing. Throws Error that names the file.
TokenizerJson read_tokenizer_json(const std::string& path);

}  // namespace ovi::text
