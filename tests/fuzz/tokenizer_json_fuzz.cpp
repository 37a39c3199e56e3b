// Bytes as tokenizer.json; its tokens are then looked for in a text.
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
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
