// SPDX-License-Identifier: Apache-2.0
#include "pipeline/text_embeddings.h"

#include <algorithm>
#include <vector>

#include "text/clean.h"

namespace ovi {

std::list<TextEmbeddings::Entry>::const_iterator TextEmbeddings::find(
    const std::string& text) const {
  return std::find_if(recent_.begin(), recent_.end(),
                      [&](const Entry& entry) { return entry.first == text; });
}

bool TextEmbeddings::know(const std::vector<std::string>& texts) const {
  return std::all_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return find(text) != recent_.end(); });
}

std::vector<at::Tensor> TextEmbeddings::embed(
    const std::vector<std::string>& texts, const text::Tokenizer& tokenizer,
    const std::function<std::shared_ptr<const Umt5Encoder>()>& encoder, const Cancel* cancel) {
  std::vector<std::string> unknown;
  std::vector<std::vector<int64_t>> ids;
  for (const std::string& text : texts) {
    if (find(text) != recent_.end()) continue;
    if (std::find(unknown.begin(), unknown.end(), text) != unknown.end()) continue;
    const text::Tokens tokens = tokenizer.encode(text::clean_text(text, cancel));
    if (cancel) cancel->check();
    ids.emplace_back(tokens.ids.begin(), tokens.ids.begin() + tokens.length);
    unknown.push_back(text);
  }
  if (!unknown.empty()) {
    const std::vector<at::Tensor> made = encoder()->encode_all(ids, cancel);
    for (size_t i = 0; i < made.size(); ++i) recent_.emplace_front(unknown[i], made[i]);
  }
  std::vector<at::Tensor> embeddings;
  for (const std::string& text : texts) {
    recent_.splice(recent_.begin(), recent_, find(text));
    embeddings.push_back(recent_.front().second);
  }
  while (recent_.size() > kKept) recent_.pop_back();
  return embeddings;
}

}  // namespace ovi
