// SPDX-License-Identifier: Apache-2.0
#include "pipeline/preview_pictures.h"

#include <utility>

namespace ovi {

PreviewPictures::PreviewPictures(ClipSink& sink, PreviewPainter painter, const c10::Device& device,
                                 const Request& request, int64_t latents, int64_t steps)
    : sink_(sink), painter_(std::move(painter)), copies_(device), steps_(steps) {
  peek_.every = request.preview;
  peek_.latent = latents / 2;
  peek_.see = [this](int64_t done, const at::Tensor& clean) {
    leaving_.push_back({done, copies_.start(painter_(clean))});
    hand_on(/*all=*/false);
  };
}

void PreviewPictures::hand_on(bool all) {
  while (!leaving_.empty() && (all || leaving_.front().rgb.there())) {
    const Leaving picture = std::move(leaving_.front());
    leaving_.pop_front();
    sink_.preview(picture.step, steps_, preview_frame(peek_.latent), picture.rgb.get());
  }
}

}  // namespace ovi
