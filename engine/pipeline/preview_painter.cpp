// SPDX-License-Identifier: Apache-2.0
#include "pipeline/preview_painter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>

#include <utility>

namespace ovi {

PreviewPainter painter_of(std::shared_ptr<const TinyVideoDecoder> decoder) {
  return [decoder = std::move(decoder)](const at::Tensor& latents) {
    const at::Tensor picture = decoder->decode(latents.unsqueeze(0));
    const at::Tensor small =
        at::avg_pool2d(picture, {kPreviewFactor, kPreviewFactor}).squeeze(0).to(at::kFloat);
    return small.nan_to_num(0.5)
        .clamp_(0, 1)
        .mul_(255)
        .round_()
        .to(at::kByte)
        .permute({1, 2, 0})
        .contiguous();
  };
}

PreviewChoice::PreviewChoice(LoadedModel& model, bool wanted, const Cancel* cancel)
    : model_(model), wanted_(wanted), cancel_(cancel) {}

void PreviewChoice::fit(std::shared_ptr<const VideoVaeEncoder> encoder) {
  if (!fits()) return;
  if (!model_.preview_fit) {
    Reading quietly;
    quietly.cancel = cancel_;
    if (!encoder) encoder = model_.video_encoder(quietly);
    model_.preview_fit = PreviewFit::of_test_pictures(*encoder, model_.device(), cancel_);
  }
  fit_ = model_.preview_fit;
}

void PreviewChoice::add(const at::Tensor& latents, const at::Tensor& image) {
  if (fit_) fit_->add(latents, image);
}

PreviewPainter PreviewChoice::painter(Reading& reading,
                                      const std::function<void(const std::string&)>& tell) {
  if (!wanted_) return {};
  if (auto decoder = model_.preview_decoder(reading)) return painter_of(std::move(decoder));
  if (!model_.preview_problem().empty()) {
    tell("Previews are made by a linear map: " + model_.preview_problem());
  }
  if (!fit_) fit(nullptr);  // it was found to be of no use only now
  return fit_->solve(model_.device());
}

}  // namespace ovi
