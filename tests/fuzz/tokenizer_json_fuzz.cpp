// Bytes as tokenizer.json; its tokens and rules are then applied to a text.
// SPDX-License-Identifier: Apache-2.0
#include "engine_input.h"
#include "text/added_tokens.h"
#include "text/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    const auto json = ovi::text::read_tokenizer_json(file.path());
    constexpr std::string_view kText = "a </s> b<pad>\u00e9<extra_id_0>  c";
    size_t end = 0;
    for (const auto& part : ovi::text::split_at_tokens(kText, json.added_tokens)) {
      fuzz::expect(part.start >= end && part.end >= part.start && part.end <= kText.size(),
                   "a stretch that is not in the text");
      end = part.end;
    }
    static const ovi::text::CharsMap none{{}};
    const auto mapped = ovi::text::normalize(kText, 0, json.normalizer, none);
    const auto words = ovi::text::with_meta_spaces(mapped, 0, mapped.text.size(), true, json.words);
    fuzz::expect(words.sources.size() == words.text.size(), "bytes from nowhere");
    fuzz::expect(words.text.size() <= 3 * 64 * kText.size() + 3, "a text that grows");
    for (const size_t source : words.sources)
      fuzz::expect(source < kText.size(), "a byte from behind the text");
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
