// The step loop: noise becomes latents.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "models/fusion_transformer.h"
#include "parallel/split.h"
#include "pipeline/noise.h"
#include "pipeline/request.h"
#include "runtime/cancel.h"
#include "sampling/magnitude_meter.h"
#include "sampling/step_policy.h"

namespace ovi {

/// What steers the denoising besides the settings.
struct Conditioning {
  FusionTransformer::Context positive;
  std::optional<FusionTransformer::Context> negative;  // none: both scales are 1
  // Either is empty where this rank never evaluates the pass.
  at::Tensor image_latents;  // [C, 1, h, w], or undefined for text only
};

/// Who looks at the clip on its way.
struct Peek {
  int64_t every = 0;   // steps
  int64_t latent = 0;  // of the video: which frame of it
  /// After every `every`th step, before `on_step`: the clean latent [C, h, w] that the model saw
  /// in that step, float32, on the device, which may not have computed it yet.
  std::function<void(int64_t done, const at::Tensor& clean)> see;
};

/// True when guidance changes anything, so that the negative pass is needed.
bool needs_negative_pass(const Request& request);

/// What each step of `request` will compute; throws Error(kSettings) for steps or a shift
/// that no scheduler has.
StepPolicy step_policy(const Request& request, const MagnitudeTable& magnitudes);

/// Whether some step has this rank evaluate the pass with the prompt, or with the negatives.
struct OwnPasses {
  bool positive = true, negative = true;
};
OwnPasses own_passes(const StepPolicy& policy, const parallel::Split& split);

/// Clean latents from `noise`, in float32. At each step the image latents are
/// written over video frame 0, which the model is told is clean. `policy` is that of this
/// request. `on_step` (may be empty) hears the steps given to the device, which is a few
/// model blocks behind. Polls `cancel` once per model block. From the first step on nothing
/// is read from the device or copied from pageable memory: it always has something to do.
/// `meter` (may be null) measures what the blocks add, in the steps that run them, and waits
/// for it. `peek` may be null. On a CPU latents that are no numbers any more end the loop: they
/// come back as they are. `split`, of this clip's tokens, divides each step over the ranks of a
/// group; all have the same noise and policy, and get the same latents. With more than one
/// nothing is measured: throws Error(kSettings) for a meter.
Latents denoise(const FusionTransformer& model, const Conditioning& conditioning,
                const Latents& noise, const Request& request, const StepPolicy& policy,
                const std::function<void(int64_t done)>& on_step, const Cancel* cancel,
                MagnitudeMeter* meter = nullptr, const Peek* peek = nullptr,
                const parallel::Split* split = nullptr);

}  // namespace ovi
