// SPDX-License-Identifier: Apache-2.0
#include "text/prompt_format.h"

#include "text/unicode.h"

namespace ovi::text {
namespace {

constexpr std::string_view kOpen = "<AUDCAP>", kClose = "<ENDAUDCAP>", kColon = "Audio:";

std::string to_audcap(std::string_view prompt) {
  const size_t colon = prompt.find(kColon);
  if (colon == std::string_view::npos) return std::string(prompt);
  size_t description = colon + kColon.size();
  while (description < prompt.size() && is_python_space(code_point_at(prompt, description))) {
    description += utf8_length(prompt[description]);
  }
  return std::string(prompt.substr(0, colon))
      .append(kOpen)
      .append(prompt.substr(description))
      .append(kClose);
}

std::string to_colon(std::string_view prompt) {
  std::string result;
  size_t at = 0;
  while (true) {
    const size_t open = prompt.find(kOpen, at);
    if (open == std::string_view::npos) break;
    const size_t description = open + kOpen.size();
    const size_t close = prompt.find(kClose, description);
    if (close == std::string_view::npos) break;
    result.append(prompt.substr(at, open - at)).append(kColon).append(" ");
    result.append(prompt.substr(description, close - description));
    at = close + kClose.size();
  }
  return result.append(prompt.substr(at));
}

}  // namespace

std::string format_prompt(std::string_view prompt, AudioTag style) {
  return style == AudioTag::kAudcap ? to_audcap(prompt) : to_colon(prompt);
}

}  // namespace ovi::text
