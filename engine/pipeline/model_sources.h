// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "pipeline/preview_decoder_file.h"
#include "weights/model_folder.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Where the parts of a model come from; synthetic weights replace the files.
struct ModelSources {
  std::shared_ptr<const TensorSource> fusion, text_encoder, video_vae, audio_vae, vocoder;
  PreviewDecoderFile preview_decoder = {};

  /// The files of a folder, each checked to be what its place needs.
  static ModelSources open(const ModelFolder& folder);
};

}  // namespace ovi
