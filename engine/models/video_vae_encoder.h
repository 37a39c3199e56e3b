// Wan 2.2's video VAE, image to latents.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/video_vae_layers.h"
#include "runtime/cancel.h"
#include "weights/weights.h"

namespace ovi {

namespace video_vae {

/// Residual blocks, then half the size; averages of the input are added at the end.
class DownStage {
 public:
  DownStage(const Weights& weights, int64_t in);

  /// [1, H, W, in] -> [1, H/2, W/2, out], or [1, H, W, out] for the last stage.
  at::Tensor operator()(const at::Tensor& x, const Cancel* cancel) const;

  bool halves() const { return downsample_.has_value(); }
  int64_t out_channels() const { return blocks_.back().out_channels(); }

 private:
  at::Tensor shortcut(const at::Tensor& x) const;

  std::vector<ResidualBlock> blocks_;
  std::optional<FrameConv> downsample_;
  int64_t temporal_factor_ = 1;  // of the whole model's stage, for the shortcut's grouping
};

}  // namespace video_vae

/// Encodes one image: the first frame of a clip. Longer clips are not needed by
/// the generator, and the weights that only they would use are not loaded.
class VideoVaeEncoder {
 public:
  /// Takes `encoder.*` and `conv1.*` of Wan2.2_VAE.pth. Throws Error(kFormat) when a
  /// tensor is missing or the model is not one of 48 channels and 16x16 pixels.
  explicit VideoVaeEncoder(const Weights& weights);

  /// image [1, 3, 1, H, W] or [1, 3, H, W], -1..1, H and W multiples of 16
  /// -> normalised latents [1, 48, 1, H/16, W/16], float32, on the weights' device.
  /// `cancel` (may be null) is polled once a block; throws Error(kCancelled).
  at::Tensor encode(const at::Tensor& image, const Cancel* cancel = nullptr) const;

 private:
  video_vae::CausalConv conv_in_;
  std::vector<video_vae::DownStage> stages_;
  video_vae::ResidualBlock middle1_;
  video_vae::FrameAttention attention_;
  video_vae::ResidualBlock middle2_;
  video_vae::Head head_;
  video_vae::PointwiseConv to_mean_;  // the variance half is not needed
};

}  // namespace ovi
