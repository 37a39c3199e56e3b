// MMAudio's 16 kHz audio VAE (v1-16.pth), latents to mel spectrogram.
//
// Magnitude-preserving layers after EDM2 (Karras et al., arXiv 2312.02696): every
// layer keeps unit variance by construction, so no layer has a bias and the only
// normalisation is that of each position's channel vector.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "runtime/cancel.h"
#include "weights/weights.h"

namespace ovi {

namespace audio_vae {

/// Convolution over time with weights of unit variance per output
/// (arXiv 2312.02696, equations 47 and 66).
class MpConv {
 public:
  MpConv() = default;
  /// Takes `weight` [out, in, k], k odd, normalises it and multiplies it by `gain`.
  explicit MpConv(const Weights& weights, int64_t out = kAny, int64_t in = kAny,
                  const at::Tensor& gain = {});

  /// [1, in, L] -> [1, out, L]
  at::Tensor operator()(const at::Tensor& x) const;

  bool defined() const { return weight_.defined(); }
  int64_t in_channels() const { return weight_.size(1); }
  int64_t out_channels() const { return weight_.size(0); }

 private:
  at::Tensor weight_;  // [out, in, 1, k]
};

/// Two convolutions beside a shortcut, on pixel-normalised input.
class ResnetBlock {
 public:
  explicit ResnetBlock(const Weights& weights);

  /// [1, in, L] -> [1, out, L]
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t out_channels() const { return conv2_.out_channels(); }

 private:
  MpConv conv1_, conv2_;
  MpConv shortcut_;  // undefined: identity
};

/// Single-head cosine attention over time.
class Attention {
 public:
  explicit Attention(const Weights& weights);

  /// [1, C, L] -> same
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  MpConv proj_out_, qkv_;
};

/// Residual blocks of one resolution, then twice the length in one of the levels.
struct Level {
  explicit Level(const Weights& weights);

  std::vector<ResnetBlock> blocks;
  MpConv upsample;  // undefined: the length stays
};

}  // namespace audio_vae

/// Decoder of the audio VAE; its encoder's weights are not looked at.
class AudioVaeDecoder {
 public:
  /// Takes `decoder.*` and, where the file has them, the bands' `data_mean` and `data_std`
  /// [1, 80, 1]; else MMAudio's. Throws Error(kFormat) when a tensor is missing or the model
  /// is not one of 80 mel bands and one doubling of the length.
  explicit AudioVaeDecoder(const Weights& weights);

  /// latents [1, 20, L] -> log-mel spectrogram [1, 80, 2L] at 62.5 frames a second,
  /// float32. `cancel` (may be null) is polled once a block; throws Error(kCancelled).
  at::Tensor decode(const at::Tensor& latents, const Cancel* cancel = nullptr) const;

 private:
  audio_vae::MpConv conv_in_;
  audio_vae::ResnetBlock middle1_;
  audio_vae::Attention attention_;
  audio_vae::ResnetBlock middle2_;
  std::vector<audio_vae::Level> levels_;  // as stored: the last one runs first
  audio_vae::MpConv conv_out_;
  at::Tensor mel_mean_, mel_std_;  // [1, 80, 1], float32
  at::ScalarType dtype_;
  c10::Device device_;
};

}  // namespace ovi
