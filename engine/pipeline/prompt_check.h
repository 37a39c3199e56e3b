// What a user may want to mend in a request that is valid all the same.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "pipeline/request.h"
#include "text/prompt_linter.h"
#include "text/tokenizer.h"
#include "weights/model_folder.h"

namespace ovi {

using text::PromptWarning;

/// The prompt as the encoder gets it: tag style of the variant.
std::string format_for(const VariantSpec& spec, const std::string& prompt);

/// Tags, missing sound, a prompt that is cut, a wished size far from the variant's.
std::vector<PromptWarning> check_prompt(const Request& request, const VariantSpec& spec,
                                        const text::Tokenizer& tokenizer);

}  // namespace ovi
