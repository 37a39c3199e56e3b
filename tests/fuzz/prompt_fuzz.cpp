// Bytes as a prompt, through all that is done to one: looked over, rewritten, cleaned, tokenised.
// SPDX-License-Identifier: Apache-2.0
#include "engine_input.h"
#include "text/clean.h"
#include "text/prompt_format.h"
#include "text/prompt_linter.h"
#include "text/tokenizer.h"

namespace {

void encode(std::string_view text) {
  static const ovi::text::Tokenizer tokenizer(OVI_FUZZ_SPIECE_MODEL);
  const ovi::text::Tokens tokens = tokenizer.encode(text);
  fuzz::expect(tokens.ids.size() == size_t{ovi::text::kMaxTextTokens}, "not 512 ids");
  fuzz::expect(tokens.length >= 1 && tokens.length <= ovi::text::kMaxTextTokens, "the length");
  fuzz::expect(tokens.cut_at >= -1 && tokens.cut_at <= static_cast<int64_t>(text.size()),
               "cut outside the text");
  fuzz::expect((tokens.cut_at >= 0) == (tokens.uncut_length > tokens.length), "cut and not cut");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view prompt(reinterpret_cast<const char*>(data), size);
  try {
    encode(ovi::text::clean_text(prompt));  // throws for what is not UTF-8
    for (const auto& warning : ovi::text::lint_prompt(prompt)) {
      fuzz::expect_engine_message(warning.message);
      fuzz::expect(warning.position >= -1 && warning.position <= static_cast<int64_t>(size),
                   "a warning outside the prompt");
    }
    for (const auto style : {ovi::text::AudioTag::kAudcap, ovi::text::AudioTag::kAudioColon})
      encode(ovi::text::clean_text(ovi::text::format_prompt(prompt, style)));
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
