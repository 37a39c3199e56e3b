// SPDX-License-Identifier: Apache-2.0
#include "pipeline/model_sources.h"

#include "weights/layouts/open_component.h"

namespace ovi {

ModelSources ModelSources::open(const ModelFolder& folder) {
  const auto open = [&](Component component) {
    return open_component(files_of(folder, component), component);
  };
  return {open(Component::kFusion),   open(Component::kTextEncoder), open(Component::kVideoVae),
          open(Component::kAudioVae), open(Component::kVocoder),     open_preview_decoder(folder)};
}

}  // namespace ovi
