// Bytes as spiece.model; one that is read also has to segment a text.
// SPDX-License-Identifier: Apache-2.0
#include "engine_input.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    const ovi::text::Tokenizer tokenizer(file.path());
    const ovi::text::Tokens tokens =
        tokenizer.encode("A \u00e9clair e\u0301 \ufb01nd \uff21 \u4f60\u597d </s> <pad>x", 16);
    fuzz::expect(tokens.ids.size() == 16, "not as many ids as were asked for");
    for (const int64_t id : tokens.ids) fuzz::expect(id >= 0, "a negative id");
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
