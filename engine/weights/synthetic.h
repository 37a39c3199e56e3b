// Weight files that do not exist: the names and shapes of the published
// checkpoints, at their real or at smaller sizes, filled with noise. They
// measure speed and memory where no weights are; what they generate is noise.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>

#include "weights/tensor_source.h"

namespace ovi {

/// The defaults are the published model's.
struct SyntheticSize {
  /// Of every tensor. kFloat8_e4m3fn keeps names with "norm" or "bias" in
  /// bfloat16, as the published float8 file does.
  at::ScalarType dtype = at::kBFloat16;

  struct Fusion {
    int64_t layers = 30, dim = 3072, ffn = 14336;
    int64_t text_dim = 4096, frequency_dim = 256;
    int64_t video_channels = 48, audio_channels = 20;
  } fusion;

  struct TextEncoder {
    int64_t layers = 24, dim = 4096, ffn = 10240, heads = 64;
    int64_t vocabulary = 256384, buckets = 32;
  } text;

  struct VideoVae {
    int64_t encoder_dim = 160, decoder_dim = 256, channels = 48;
  } video_vae;

  struct AudioVae {
    int64_t dim = 384, mel_bands = 80, channels = 20;
  } audio_vae;

  struct Vocoder {
    int64_t channels = 1536, mel_bands = 80;
  } vocoder;
};

/// Each `view` costs no memory beyond a few MB that all tensors of the source
/// share: rows are overlapping windows of one block of normal values with
/// variance 1/fan-in, the same for the same size. Norm weights and gains are 1,
/// biases small. Such a tensor is not contiguous; Weights makes it so. Threads
/// may call it at once. Sizes have to be at least 1 (Error kSettings).
std::shared_ptr<TensorSource> synthetic_fusion(const SyntheticSize& size);
std::shared_ptr<TensorSource> synthetic_text_encoder(const SyntheticSize& size);
std::shared_ptr<TensorSource> synthetic_video_vae(const SyntheticSize& size);
std::shared_ptr<TensorSource> synthetic_audio_vae(const SyntheticSize& size);
std::shared_ptr<TensorSource> synthetic_vocoder(const SyntheticSize& size);

}  // namespace ovi
