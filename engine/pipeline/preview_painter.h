// How the latents of one clip's steps become pictures: by the small decoder, where the model has
// one, else by the map that is fitted to its video VAE.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "models/tiny_video_decoder.h"
#include "pipeline/loaded_model.h"
#include "pipeline/preview.h"

namespace ovi {

/// latents [48, h, w], normalised, float32, on the model's device -> uint8 [k h, k w, 3] there,
/// k = kPreviewPixels. What is no number becomes grey. Waits for nothing.
using PreviewPainter = std::function<at::Tensor(const at::Tensor& latents)>;

/// By the decoder's picture, averaged.
PreviewPainter painter_of(std::shared_ptr<const TinyVideoDecoder> decoder);

/// For one clip; does nothing where no preview is `wanted`.
class PreviewChoice {
 public:
  PreviewChoice(LoadedModel& model, bool wanted, const Cancel* cancel);

  /// Whether fit() has to do something: then the picture's latents and pixels are of use.
  bool fits() const { return wanted_ && !model_.has_preview_decoder(); }
  /// With `encoder` where it is at hand anyway. Throws Error(kCancelled).
  void fit(std::shared_ptr<const VideoVaeEncoder> encoder);
  /// The clip's own picture counts too: latents [48, h, w] of image [1, 3, 16 h, 16 w] in -1..1.
  void add(const at::Tensor& latents, const at::Tensor& image);

  /// Empty where no preview is wanted. Reads the decoder; one that turns out to be of no use is a
  /// note (`tell`), and the map does its work. Throws Error(kCancelled).
  PreviewPainter painter(Reading& reading, const std::function<void(const std::string&)>& tell);

 private:
  LoadedModel& model_;
  bool wanted_;
  const Cancel* cancel_;
  std::optional<PreviewFit> fit_;  // this clip's
};

}  // namespace ovi
