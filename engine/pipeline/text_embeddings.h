// Prompts to embeddings, remembered: negatives and repeated prompts cost nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <list>
#include <string>
#include <utility>

#include "models/umt5_encoder.h"
#include "runtime/cancel.h"
#include "text/tokenizer.h"

namespace ovi {

class TextEmbeddings {
 public:
  /// Cleans, tokenises and encodes `text`: [n, dim], n <= 512.
  at::Tensor embed(const std::string& text, const text::Tokenizer& tokenizer,
                   const Umt5Encoder& encoder, const Cancel* cancel);

 private:
  static constexpr size_t kKept = 8;  // most recent texts; 4 MB each at most in bfloat16
  std::list<std::pair<std::string, at::Tensor>> recent_;
};

}  // namespace ovi
