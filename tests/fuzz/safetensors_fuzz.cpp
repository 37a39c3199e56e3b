// Bytes as a safetensors file.
// SPDX-License-Identifier: Apache-2.0
#include "weights_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::read_weights(data, size);
  return 0;
}
