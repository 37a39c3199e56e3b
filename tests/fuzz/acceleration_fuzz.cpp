// Bytes as acceleration.json.
// SPDX-License-Identifier: Apache-2.0
#include "engine_input.h"
#include "sampling/magnitude_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    ovi::read_magnitudes(file.path(), "720x720_5s");
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
