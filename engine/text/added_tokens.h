// Tokens that are looked for in the text itself before it is segmented, such as </s>.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::text {

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< and after it
  bool normalized = false;   ///< looked for after normalisation instead of before
};

/// A stretch of the text: a token, or text to segment.
struct Stretch {
  std::optional<int64_t> token;
  size_t start, end;  // bytes
};

/// Cuts `text` at each of `tokens`: the leftmost one, of those the longest. Leaves no empty text.
std::vector<Stretch> split_at_tokens(std::string_view text, const std::vector<AddedToken>& tokens);

}  // namespace ovi::text
