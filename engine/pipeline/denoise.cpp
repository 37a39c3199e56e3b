// SPDX-License-Identifier: Apache-2.0
#include "pipeline/denoise.h"

#include <ATen/TensorOperators.h>

#include <array>
#include <vector>

#include "pipeline/stage_check.h"
#include "runtime/error.h"
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

OwnPasses own_passes(const StepPolicy& policy, const parallel::Split& split) {
  OwnPasses own{false, false};
  for (int64_t step = 0; step < policy.steps(); ++step) {
    const StepWork& work = policy.at(step);
    if (!work.blocks) continue;  // what is reused was found where it lies
    const parallel::Layout& layout = split.layout(work.negative);
    own.positive = own.positive || layout.has(0);
    own.negative = own.negative || (work.negative && layout.has(1));
  }
  return own;
}

Latents denoise(const FusionTransformer& model, const Conditioning& conditioning,
                const Latents& noise, const Request& request, const StepPolicy& policy,
                const std::function<void(int64_t done)>& on_step, const Cancel* cancel,
                MagnitudeMeter* meter, const Peek* peek, const parallel::Split* given_split) {
  const auto video_scheduler = make_scheduler(request.solver, policy.steps(), request.shift);
  const auto audio_scheduler = make_scheduler(request.solver, policy.steps(), request.shift);
  // The latents stay float32 whatever computes the velocity: 50 small steps add up.
  Latents latents{noise.video.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true),
                  noise.audio.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true)};
  const bool has_image = conditioning.image_latents.defined();
  const auto restore_first_frame = [&] {
    if (has_image) latents.video.narrow(1, 0, 1).copy_(conditioning.image_latents);
  };
  const int64_t frames = latents.video.size(1), height = latents.video.size(2),
                width = latents.video.size(3);
  const parallel::Split here(nullptr, FusionTransformer::video_tokens(frames, height, width),
                             latents.audio.size(0), /*guided=*/false);
  const parallel::Split& split = given_split ? *given_split : here;
  if (meter && !split.whole()) {
    throw Error(ErrorKind::kSettings,
                "What the blocks add is measured on one device alone. Name one.");
  }
  // The two ways in which a step may lie on the ranks; often it is one.
  const std::array<const parallel::Layout*, 2> layouts = {&split.layout(false),
                                                          &split.layout(true)};
  std::array<FusionTransformer::Positions, 2> all_positions;
  for (size_t i = 0; i < layouts.size(); ++i) {
    const bool again = i > 0 && layouts[i] == layouts[0];
    all_positions[i] =
        again ? all_positions[0] : model.positions(frames, height, width, *layouts[i]);
  }
  const auto times = model.embed_times(video_scheduler->timesteps(), has_image);
  // What later steps reuse, in the order of the passes: positive, negative.
  std::array<FusionTransformer::Residual, 2> residuals;
  FusionTransformer::Velocity difference;  // that guidance made

  size_t lies = 0;  // which of the layouts; what is reused lies where it was found

  for (int64_t step = 0; step < policy.steps(); ++step) {
    const StepWork& work = policy.at(step);
    if (work.blocks) lies = work.negative ? 1 : 0;
    const parallel::Layout& layout = *layouts[lies];
    const FusionTransformer::Positions& positions = all_positions[lies];
    const std::array<FusionTransformer::Pass, 2> both = {{
        {&conditioning.positive, 0},
        {work.negative ? &*conditioning.negative : nullptr, request.slg_layer},
    }};
    const int64_t asked = work.negative ? 2 : 1, made = layout.passes(asked);
    std::vector<FusionTransformer::Pass> passes;
    for (int64_t p = 0; p < made; ++p) {
      if (!layout.has(p)) continue;
      passes.push_back(both[p]);
      if (!work.blocks) {
        passes.back().reuse = &residuals[p];
      } else if (work.keep_residuals || meter) {
        passes.back().keep = &residuals[p];
      }
    }

    restore_first_frame();
    std::vector<FusionTransformer::Velocity> velocity;
    for (const auto& tokens :
         split.exchange(layout,
                        model.forward_tokens(latents.video, latents.audio, times[step], positions,
                                             passes, cancel),
                        made)) {
      const FusionTransformer::Velocity v = model.velocity(tokens, positions);
      velocity.push_back({v.video.to(at::kFloat), v.audio.to(at::kFloat)});
    }
    if (meter && work.blocks) {
      measure(*meter, video_scheduler->timesteps()[step], residuals, passes.size());
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
