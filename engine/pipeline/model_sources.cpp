// SPDX-License-Identifier: Apache-2.0
#include "pipeline/model_sources.h"

#include <string>

#include "weights/component.h"

namespace ovi {
namespace {

std::shared_ptr<const TensorSource> open_part(const std::string& path, Component component) {
  std::shared_ptr<const TensorSource> source = open_tensors(path);
  reject_wrong_component(*source, component);
  return source;
}

}  // namespace

ModelSources ModelSources::open(const ModelFolder& folder) {
  return {open_part(folder.fusion, Component::kFusion),
          open_part(folder.text_encoder, Component::kTextEncoder),
          open_part(folder.video_vae, Component::kVideoVae),
          open_part(folder.audio_vae, Component::kAudioVae),
          open_part(folder.vocoder, Component::kVocoder)};
}

}  // namespace ovi
