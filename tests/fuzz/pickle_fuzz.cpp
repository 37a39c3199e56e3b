// Bytes as the pickle of a state dict, without a zip around it.
// SPDX-License-Identifier: Apache-2.0
#include "engine_input.h"
#include "weights/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto tensors = ovi::pickle::read_state_dict(
        {reinterpret_cast<const char*>(data), size}, "model.pth");
    for (const auto& tensor : tensors)
      fuzz::expect(tensor.shape.size() == tensor.strides.size(), "a stride for each size");
  } catch (const ovi::Error& error) {
    fuzz::expect_error(error);
  }
  return 0;
}
