// A model folder brought onto a device, part by part.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "models/audio_vae.h"
#include "models/bigvgan.h"
#include "models/fusion_transformer.h"
#include "models/umt5_encoder.h"
#include "models/video_vae.h"
#include "pipeline/text_embeddings.h"
#include "runtime/cancel.h"
#include "runtime/device.h"
#include "runtime/turn.h"
#include "sampling/magnitude_table.h"
#include "text/tokenizer.h"
#include "weights/model_folder.h"

namespace ovi {

/// Where the parts of a model come from; synthetic weights replace the files.
struct ModelSources {
  std::shared_ptr<const TensorSource> fusion, text_encoder, video_vae, audio_vae, vocoder;

  /// The files of a folder, each checked to be what its place needs.
  static ModelSources open(const ModelFolder& folder);
};

/// All parts of one model. Made empty; load() fills it. Whoever uses it holds `turn`,
/// so that several engines share one model and take turns.
class LoadedModel {
 public:
  /// Throws Error(kFormat) for an acceleration.json that is broken.
  LoadedModel(ModelFolder folder, const c10::Device& device, const Arithmetic& arithmetic);

  const ModelFolder& folder() const { return folder_; }
  const c10::Device& device() const { return device_; }
  const Arithmetic& arithmetic() const { return arithmetic_; }
  /// Of latents and of what the networks hand on.
  at::ScalarType dtype() const { return arithmetic_.dtype; }

  /// Reads whatever is not there yet. `on_bytes` (may be empty) hears bytes done and
  /// in all. A cancelled or failed load keeps the parts it has; the next one goes on.
  void load(const std::function<void(int64_t done, int64_t total)>& on_bytes,
            const Cancel* cancel);
  /// As load, from sources that are open already.
  void load(const ModelSources& sources,
            const std::function<void(int64_t done, int64_t total)>& on_bytes,
            const Cancel* cancel);
  bool loaded() const { return vocoder_ != nullptr; }

  // Valid once loaded.
  const Umt5Encoder& text_encoder() const { return *text_encoder_; }
  const FusionTransformer& fusion() const { return *fusion_; }
  const VideoVaeEncoder& video_encoder() const { return *video_encoder_; }
  const VideoVaeDecoder& video_decoder() const { return *video_decoder_; }
  const AudioVaeDecoder& audio_decoder() const { return *audio_decoder_; }
  const BigVgan& vocoder() const { return *vocoder_; }

  /// Measured on this model if its folder says so, else of the backbone.
  const MagnitudeTable& magnitudes() const { return magnitudes_; }

  /// Small, and needed to check prompts: read at its first use, without load().
  const text::Tokenizer& tokenizer();

  /// Embeddings of recent prompts; for whoever holds `turn`.
  TextEmbeddings texts;

  Turn turn;

 private:
  ModelFolder folder_;
  c10::Device device_;
  Arithmetic arithmetic_;
  MagnitudeTable magnitudes_;
  std::once_flag tokenizer_once_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  std::unique_ptr<Umt5Encoder> text_encoder_;
  std::unique_ptr<FusionTransformer> fusion_;
  std::unique_ptr<VideoVaeEncoder> video_encoder_;
  std::unique_ptr<VideoVaeDecoder> video_decoder_;
  std::unique_ptr<AudioVaeDecoder> audio_decoder_;
  std::unique_ptr<BigVgan> vocoder_;
};

/// What a folder says about its fusion checkpoint beyond the tensor shapes.
FusionOptions fusion_options(const ModelFolder& folder);

}  // namespace ovi
