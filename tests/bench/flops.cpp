// SPDX-License-Identifier: Apache-2.0
#include "flops.h"

#include "pipeline/denoise.h"

namespace ovi::bench {

double denoise_flops(const TensorSource& fusion, const VariantSpec& spec, const FrameSize& size,
                     const Request& request, const StepPolicy::Counts& steps) {
  const auto& ffn_in = fusion.find("video_model.blocks.0.ffn.0.weight")->shape;
  const double f = static_cast<double>(ffn_in[0]), d = static_cast<double>(ffn_in[1]);
  int64_t layers = 0;
  while (fusion.find("video_model.blocks." + std::to_string(layers) + ".ffn.0.weight")) ++layers;

  const double video =
      static_cast<double>(spec.video_latents * (size.height / 32) * (size.width / 32));
  const double audio = static_cast<double>(spec.audio_latents), text = 512;
  const auto self = [&](double n) { return 8 * n * d * d + 4 * n * n * d; };
  const auto rest = [&](double n, double other) {
    const double projections = 4 * n * d * d + 4 * other * d * d;  // q, o; k and v of the other
    const double attention = 4 * n * (text + other) * d;
    return projections + attention + 4 * n * d * f;
  };
  const double selves = self(video) + self(audio);
  const double block = selves + rest(video, audio) + rest(audio, video);

  const double depth = static_cast<double>(layers);
  const double positive = depth * block;
  double full = positive;
  if (needs_negative_pass(request)) {
    const bool skips = request.slg_layer > 0 && request.slg_layer < layers;
    full += (depth - (skips ? 1 : 0)) * block - selves;  // the first self-attention is shared
  }
  return full * static_cast<double>(steps.full) +
         positive * static_cast<double>(steps.guidance_reused);
}

}  // namespace ovi::bench
