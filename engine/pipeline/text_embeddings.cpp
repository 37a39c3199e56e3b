// SPDX-License-Identifier: Apache-2.0
#include "pipeline/text_embeddings.h"

#include <algorithm>
#include <vector>

#include "text/clean.h"

namespace ovi {

at::Tensor TextEmbeddings::embed(const std::string& text, const text::Tokenizer& tokenizer,
                                 const Umt5Encoder& encoder, const Cancel* cancel) {
  const auto known = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const auto& entry) { return entry.first == text; });
  if (known != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, known);
    return recent_.front().second;
  }
  const text::Tokens tokens = tokenizer.encode(text::clean_text(text));
  const std::vector<int64_t> ids(tokens.ids.begin(), tokens.ids.begin() + tokens.length);
  recent_.emplace_front(text, encoder.encode(ids, cancel));
  if (recent_.size() > kKept) recent_.pop_back();
  return recent_.front().second;
}

}  // namespace ovi
