// A small picture of the clip while it is denoised: a linear map from latents to RGB, fitted to
// the video VAE that is loaded. It needs no table, and costs one small matrix product a picture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "models/video_vae_encoder.h"
#include "models/video_vae_latents.h"
#include "runtime/cancel.h"

namespace ovi {

/// Pixels a side that a latent becomes in a preview: an eighth of the frame's size.
inline constexpr int64_t kPreviewPixels = 2;
inline constexpr int64_t kPreviewFactor = video_vae::kSpatialFactor / kPreviewPixels;

/// The frame that stands for latent `latent` of a clip: the second of its four.
int64_t preview_frame(int64_t latent);

/// The map: each latent's 48 channels and a constant -> RGB of its pixels.
class PreviewMap {
 public:
  /// weight [48, 3 k k], bias [3 k k] with k = kPreviewPixels, in the order colour, row, column;
  /// for pixels in -1..1. Any float type and place.
  PreviewMap(const at::Tensor& weight, const at::Tensor& bias, const c10::Device& device);

  /// latents [48, h, w], normalised, float32, on the map's device -> uint8 [k h, k w, 3] there.
  /// What is no number becomes grey. Waits for nothing.
  at::Tensor operator()(const at::Tensor& latents) const;

 private:
  at::Tensor weight_, bias_;  // [3 k k, 48], [3 k k, 1]
};

/// Gathers latents and the pixels that they stand for; the map is their least squares.
class PreviewFit {
 public:
  /// Encodes fixed test pictures: patches, gradients and edges in all colours. Throws
  /// Error(kCancelled).
  static PreviewFit of_test_pictures(const VideoVaeEncoder& encoder, const c10::Device& device,
                                     const Cancel* cancel);

  /// latents [48, h, w], normalised, and the picture they were made of, [1, 3, 16 h, 16 w] in
  /// -1..1. Sums in float64 on the host; waits for the device.
  void add(const at::Tensor& latents, const at::Tensor& image);

  /// Ridge regression; the constant is not drawn towards 0.
  PreviewMap solve(const c10::Device& device) const;

 private:
  int64_t count_ = 0;   // latents
  at::Tensor x_, y_;    // sums, [48], [3 k k]
  at::Tensor xx_, xy_;  // sums of products, [48, 48], [48, 3 k k]
};

}  // namespace ovi
