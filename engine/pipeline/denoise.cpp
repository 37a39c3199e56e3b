// SPDX-License-Identifier: Apache-2.0
#include "pipeline/denoise.h"

#include "sampling/guidance.h"

namespace ovi {

bool needs_negative_pass(const Request& request) {
  return request.video_guidance_scale != 1.0 || request.audio_guidance_scale != 1.0;
}

Latents denoise(const FusionTransformer& model, const Conditioning& conditioning,
                const Latents& noise, const Request& request,
                const std::function<void(int64_t done)>& on_step, const Cancel* cancel) {
  const auto video_scheduler = make_scheduler(request.solver, request.steps, request.shift);
  const auto audio_scheduler = make_scheduler(request.solver, request.steps, request.shift);
  // The latents stay float32 whatever computes the velocity: 50 small steps add up.
  Latents latents{noise.video.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true),
                  noise.audio.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true)};
  const bool has_image = conditioning.image_latents.defined();
  const auto restore_first_frame = [&] {
    if (has_image) latents.video.narrow(1, 0, 1).copy_(conditioning.image_latents);
  };
  const auto positions = model.positions(latents.video.size(1), latents.video.size(2),
                                         latents.video.size(3), latents.audio.size(0));
  const auto times = model.embed_times(video_scheduler->timesteps(), has_image);
  std::vector<FusionTransformer::Pass> passes = {{&conditioning.positive, 0}};
  if (conditioning.negative) passes.push_back({&*conditioning.negative, request.slg_layer});

  for (int64_t step = 0; step < video_scheduler->steps(); ++step) {
    restore_first_frame();
    auto velocity =
        model.forward(latents.video, latents.audio, times[step], positions, passes, cancel);
    for (FusionTransformer::Velocity& v : velocity) {
      v = {v.video.to(at::kFloat), v.audio.to(at::kFloat)};
    }
    FusionTransformer::Velocity guided = velocity[0];
    if (conditioning.negative) {
      guided.video = guide(velocity[0].video, velocity[1].video, request.video_guidance_scale);
      guided.audio = guide(velocity[0].audio, velocity[1].audio, request.audio_guidance_scale);
    }
    latents.video = video_scheduler->step(step, guided.video, latents.video);
    latents.audio = audio_scheduler->step(step, guided.audio, latents.audio);
    if (on_step) on_step(step + 1);
  }
  restore_first_frame();
  return latents;
}

}  // namespace ovi
