// Looks a prompt over for mistakes that are no errors but spoil the clip.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::text {

/// The codes of ovi_warning_code that a prompt alone can give.
enum class PromptWarningCode {
  kTags,     ///< OVI_WARNING_TAGS
  kNoAudio,  ///< OVI_WARNING_NO_AUDIO
};

struct PromptWarning {
  PromptWarningCode code;
  int64_t position;     ///< byte offset of the tag in the prompt; -1: the prompt as a whole
  std::string message;  ///< one sentence: what is wrong and what to write instead
};

/// Warnings in the order of their positions, the one about the whole prompt last. The tags are
/// <S>speech<E> and <AUDCAP>sound<ENDAUDCAP>; "Audio: sound" at the end will do for the latter.
std::vector<PromptWarning> lint_prompt(std::string_view prompt);

}  // namespace ovi::text
