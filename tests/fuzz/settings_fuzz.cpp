// Bytes as ovi.json.
// SPDX-License-Identifier: Apache-2.0
#include "engine_input.h"
#include "weights/model_settings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    const ovi::ModelSettings settings = ovi::read_model_settings(file.path());
    fuzz::expect(settings.num_heads.value_or(1) > 0, "heads that are none");
    fuzz::expect(settings.area.value_or(1) > 0, "an area that is none");
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
