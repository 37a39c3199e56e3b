// Reads all of a weight file, whatever its format.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "engine_input.h"
#include "weights/component.h"
#include "weights/layouts/open_component.h"
#include "weights/weights.h"

namespace fuzz {

/// Touches every value, so that a view past the mapping is a crash.
inline void read_values(const std::shared_ptr<const ovi::TensorSource>& source) {
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

/// The same under the reference's names, scales applied.
inline void read_as_components(const std::shared_ptr<const ovi::TensorSource>& file) {
  for (const ovi::Component component :
       {ovi::Component::kFusion, ovi::Component::kTextEncoder, ovi::Component::kVideoVae,
        ovi::Component::kAudioVae, ovi::Component::kVocoder, ovi::Component::kPreviewDecoder}) {
    try {
      const auto arranged = ovi::arrange({file}, component);
      if (arranged != file) read_values(arranged);
      for (const ovi::TensorInfo& info : arranged->tensors()) {
        const auto stored = arranged->quantized(info.name);
        if (stored) expect(arranged->find(stored->values_name) != nullptr, "values without a name");
      }
    } catch (const ovi::Error& error) {
      expect_error(error);
    }
  }
}

inline void read_weights(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    const std::shared_ptr<const ovi::TensorSource> source = ovi::open_tensors(file.path());
    read_as_components(source);
    read_values(source);
  } catch (const ovi::Error& error) {
    expect_error(error);
  }
}

}  // namespace fuzz
