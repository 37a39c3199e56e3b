// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/tensor.h>

#include "model_files.h"
#include "models/umt5_encoder.h"
#include "stages.h"
#include "text/clean.h"
#include "text/prompt_format.h"
#include "text/tokenizer.h"

namespace ovi::parity {

void run_text_encode(Case& c) {
  const auto texts = c.args().at("texts").get<std::vector<std::string>>();
  const auto clean = c.json().value("expected_clean", std::vector<std::string>());
  const text::Tokenizer tokenizer(spiece_model(c));
  const Umt5Encoder encoder(open_part(c, Component::kTextEncoder));
  std::vector<int64_t> ids, lengths;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string index = std::to_string(i), cleaned = text::clean_text(texts[i]);
    if (i < clean.size()) c.check_text("clean." + index, cleaned, clean[i]);
    const text::Tokens tokens = tokenizer.encode(cleaned);
    ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
    lengths.push_back(tokens.length);
    const std::vector<int64_t> real(tokens.ids.begin(), tokens.ids.begin() + tokens.length);
    if (c.expects("embedding." + index)) {
      c.check("embedding." + index, encoder.encode(real, nullptr));
    }
  }
  const int64_t count = static_cast<int64_t>(texts.size());
  if (c.expects("ids")) c.check("ids", at::tensor(ids).view({count, -1}));
  if (c.expects("lengths")) c.check("lengths", at::tensor(lengths));
}

void run_prompt_format(Case& c) {
  const auto expected = c.json().at("expected_text").get<std::vector<std::string>>();
  const auto& prompts = c.args().at("prompts");
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool audcap = prompts.at(i).at("variant") == "720x720_5s";
    c.check_text("prompt." + std::to_string(i),
                 text::format_prompt(prompts.at(i).at("text").get<std::string>(),
                                     audcap ? text::AudioTag::kAudcap
                                            : text::AudioTag::kAudioColon),
                 expected[i]);
  }
}

}  // namespace ovi::parity
