// SPDX-License-Identifier: Apache-2.0
#include "pipeline/denoise.h"

#include <ATen/TensorOperators.h>

#include <array>
#include <vector>

#include "pipeline/stage_check.h"
#include "sampling/guidance.h"

namespace ovi {
namespace {

void measure(MagnitudeMeter& meter, double timestep,
             const std::array<FusionTransformer::Residual, 2>& residuals, size_t passes) {
  meter.begin_step(timestep);
  meter.add(MagnitudeCurve::kVideoPositive, residuals[0].video);
  meter.add(MagnitudeCurve::kAudioPositive, residuals[0].audio);
  if (passes < 2) return;
  meter.add(MagnitudeCurve::kVideoNegative, residuals[1].video);
  meter.add(MagnitudeCurve::kAudioNegative, residuals[1].audio);
}

}  // namespace

bool needs_negative_pass(const Request& request) {
  return request.video_guidance_scale != 1.0 || request.audio_guidance_scale != 1.0;
}

StepPolicy step_policy(const Request& request, const MagnitudeTable& magnitudes) {
  const StepRules rules = rules_of(request.acceleration);
  const auto scheduler =
      make_scheduler(request.solver, steps_to_run(rules, request.steps), request.shift);
  return StepPolicy(rules, scheduler->timesteps(), needs_negative_pass(request), magnitudes);
}

Latents denoise(const FusionTransformer& model, const Conditioning& conditioning,
                const Latents& noise, const Request& request, const StepPolicy& policy,
                const std::function<void(int64_t done)>& on_step, const Cancel* cancel,
                MagnitudeMeter* meter, const Peek* peek) {
  const auto video_scheduler = make_scheduler(request.solver, policy.steps(), request.shift);
  const auto audio_scheduler = make_scheduler(request.solver, policy.steps(), request.shift);
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
  // What later steps reuse, in the order of the passes: positive, negative.
  std::array<FusionTransformer::Residual, 2> residuals;
  FusionTransformer::Velocity difference;  // that guidance made

  for (int64_t step = 0; step < policy.steps(); ++step) {
    const StepWork& work = policy.at(step);
    std::vector<FusionTransformer::Pass> passes = {{&conditioning.positive, 0}};
    if (work.negative) passes.push_back({&*conditioning.negative, request.slg_layer});
    for (size_t p = 0; p < passes.size(); ++p) {
      if (!work.blocks) {
        passes[p].reuse = &residuals[p];
      } else if (work.keep_residuals || meter) {
        passes[p].keep = &residuals[p];
      }
    }

    restore_first_frame();
    auto velocity =
        model.forward(latents.video, latents.audio, times[step], positions, passes, cancel);
    if (meter && work.blocks) {
      measure(*meter, video_scheduler->timesteps()[step], residuals, passes.size());
    }
    for (FusionTransformer::Velocity& v : velocity) {
      v = {v.video.to(at::kFloat), v.audio.to(at::kFloat)};
    }
    FusionTransformer::Velocity guided = velocity[0];
    if (work.negative) {
      guided.video = guide(velocity[0].video, velocity[1].video, request.video_guidance_scale);
      guided.audio = guide(velocity[0].audio, velocity[1].audio, request.audio_guidance_scale);
      if (work.keep_guidance) {
        difference = {velocity[0].video - velocity[1].video, velocity[0].audio - velocity[1].audio};
      }
    } else if (conditioning.negative) {
      guided.video = guide_by(difference.video, guided.video, request.video_guidance_scale);
      guided.audio = guide_by(difference.audio, guided.audio, request.audio_guidance_scale);
    }
    at::Tensor clean;
    if (peek && (step + 1) % peek->every == 0) {
      clean = video_scheduler->clean(step, guided.video.select(1, peek->latent),
                                     latents.video.select(1, peek->latent));
    }
    latents.video = video_scheduler->step(step, guided.video, latents.video);
    latents.audio = audio_scheduler->step(step, guided.audio, latents.audio);
    // On a CPU nothing is waited for, and hours are saved; on a device the end tells.
    if (latents.video.is_cpu() && !all_numbers(latents.video).item<bool>()) break;
    if (clean.defined()) peek->see(step + 1, clean);
    if (on_step) on_step(step + 1);
  }
  restore_first_frame();
  return latents;
}

}  // namespace ovi
