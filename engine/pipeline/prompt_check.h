// What a user may want to mend in a request that is valid all the same.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/request.h"
#include "text/tokenizer.h"
#include "weights/model_folder.h"

namespace ovi {

enum class WarningCode {
  kTags,       // unbalanced or unknown tag
  kNoAudio,    // no audio description
  kTruncated,  // cut at 512 tokens
  kSettings,   // a setting that is changed or has no effect
  kNoSpeech,   // nobody speaks
  kStyle,      // audio tag of another variant; it is rewritten
  kModel,      // a file of the model that seems to be there in part only
};

struct Warning {
  WarningCode code;
  int64_t position;     // byte offset into the prompt; -1: none
  std::string message;  // one sentence
};

/// The prompt as the encoder gets it: tag style of the variant.
std::string format_for(const VariantSpec& spec, const std::string& prompt);

/// What can be told from the prompt alone: tags, missing sound, nobody who speaks. At most 20.
std::vector<Warning> check_text(const std::string& prompt);

/// Of the prompt as the encoder gets it; with the end token; counted as Tokens::uncut_length is.
int64_t tokens_of(const std::string& prompt, const VariantSpec& spec,
                  const text::Tokenizer& tokenizer);

/// Tags, missing sound, a prompt that is cut, a wished size far from the variant's: at most 20
/// together with `besides` others, of which the last then counts what is left out.
std::vector<Warning> check_prompt(const Request& request, const VariantSpec& spec,
                                  const text::Tokenizer& tokenizer, size_t besides = 0);

}  // namespace ovi
