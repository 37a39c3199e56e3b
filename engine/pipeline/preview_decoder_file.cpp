// SPDX-License-Identifier: Apache-2.0
#include "pipeline/preview_decoder_file.h"

#include <utility>

#include "models/tiny_video_decoder.h"
#include "runtime/error.h"
#include "weights/layouts/open_component.h"
#include "weights/manifest.h"
#include "weights/weights.h"
#include "weights/zero_parts.h"

namespace ovi {

PreviewDecoderFile open_preview_decoder(const ModelFolder& folder) {
  if (folder.preview_decoder.empty()) return {};
  PreviewDecoderFile file;
  try {
    auto source = open_component({folder.preview_decoder}, Component::kPreviewDecoder);
    manifest_of(source, {}, [](const Weights& weights) { TinyVideoDecoder decoder(weights); });
    file.problem = zero_parts_of(folder.preview_decoder);
    if (file.problem.empty()) file.source = std::move(source);
  } catch (const Error& error) {
    file.problem = error.what();
  }
  return file;
}

}  // namespace ovi
