// Reads all of a weight file, whatever its format.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "engine_input.h"
#include "weights/component.h"
#include "weights/weights.h"

namespace fuzz {

/// Touches every value, so that a view past the mapping is a crash.
inline void read_values(const std::shared_ptr<ovi::TensorSource>& source) {
  const ovi::Weights weights(source, {});
  for (const ovi::TensorInfo& info : source->tensors()) {
    const at::Tensor packed = source->view(info.name).contiguous();
    const auto* bytes = static_cast<const volatile uint8_t*>(packed.const_data_ptr());
    for (size_t i = 0; i < packed.nbytes(); ++i) (void)bytes[i];
    expect(weights.has(info.name), "a tensor that is listed is not there");
    expect(packed.sizes() == at::IntArrayRef(info.shape), "a tensor of another shape");
  }
  ovi::reject_wrong_component(*source, ovi::Component::kFusion);
}

inline void read_weights(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    read_values(ovi::open_tensors(file.path()));
  } catch (const ovi::Error& error) {
    expect_error(error);
  }
}

}  // namespace fuzz
