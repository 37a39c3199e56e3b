// SPDX-License-Identifier: Apache-2.0
#include "sampling/step_policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace ovi {
namespace {

// A step without blocks still embeds, projects and moves the latents.
constexpr double kWorkWithoutBlocks = 0.03;  // of a pass

int64_t share_of(double share, int64_t steps) {
  // A hair less, so that 0.2 of 50 is 10 whatever 0.2 is in binary.
  return static_cast<int64_t>(std::ceil(share * static_cast<double>(steps) - 1e-9));
}

/// What reusing has cost so far, curve by curve.
class GatheredError {
 public:
  GatheredError(const StepRules& rules, const MagnitudeTable& magnitudes)
      : rules_(rules), magnitudes_(magnitudes) {}

  void restart() {
    reuses_ = 0;
    errors_.fill(0.0);
  }

  /// Whether the step at timestep `now` may reuse what was found at `then`; counts it if so.
  bool allow(double then, double now, bool negative) {
    if (reuses_ + 1 > rules_.most_reuses) return false;
    std::array<double, kMagnitudeCurves> errors = errors_;
    const auto fits = [&](MagnitudeCurve curve, double limit) {
      double& error = errors[static_cast<size_t>(curve)];
      error += std::abs(1.0 - magnitudes_.ratio(curve, then, now));
      return error < limit;
    };
    if (!fits(MagnitudeCurve::kVideoPositive, rules_.video_error)) return false;
    if (!fits(MagnitudeCurve::kAudioPositive, rules_.audio_error)) return false;
    if (negative && !fits(MagnitudeCurve::kVideoNegative, rules_.video_error)) return false;
    if (negative && !fits(MagnitudeCurve::kAudioNegative, rules_.audio_error)) return false;
    errors_ = errors;
    ++reuses_;
    return true;
  }

 private:
  const StepRules& rules_;
  const MagnitudeTable& magnitudes_;
  int64_t reuses_ = 0;
  std::array<double, kMagnitudeCurves> errors_{};
};

}  // namespace

StepRules rules_of(Acceleration acceleration) {
  StepRules rules;
  switch (acceleration) {
    case Acceleration::kNone:
      return rules;
    case Acceleration::kBalanced:
      rules.guidance_from = 0.5;
      rules.guidance_interval = 5;
      rules.most_reuses = 1;
      rules.video_error = 0.03;
      break;
    case Acceleration::kFast:
      rules.share_of_steps = 0.6;
      rules.guidance_from = 0.4;
      rules.guidance_interval = 8;
      // What MagCache's authors use for the backbone, there at 50 steps.
      rules.most_reuses = 2;
      rules.video_error = 0.06;
      break;
  }
  rules.first_full = 0.2;
  rules.last_full = 0.05;
  // Sound suffers sooner: where caching left a joint model's frames at 25 dB, its sound was
  // at 14.
  rules.audio_error = rules.video_error * 2 / 3;
  return rules;
}

int64_t steps_to_run(const StepRules& rules, int64_t asked) {
  return std::max(std::min(asked, kFewestSteps), share_of(rules.share_of_steps, asked));
}

StepPolicy::StepPolicy(const StepRules& rules, const std::vector<double>& timesteps, bool guided,
                       const MagnitudeTable& magnitudes)
    : guided_(guided), source_(magnitudes.source()), work_(timesteps.size()) {
  plan(rules, timesteps, magnitudes);
  note_what_is_kept();
  count();
}

void StepPolicy::follow(std::vector<StepWork> work) {
  work_ = std::move(work);
  count();
}

void StepPolicy::count() {
  double work = 0.0;
  counts_ = {};
  share_done_ = {0.0};
  for (const StepWork& step : work_) {
    if (!step.blocks) {
      ++counts_.reused;
    } else if (step.negative == guided_) {
      ++counts_.full;
    } else {
      ++counts_.guidance_reused;
    }
    work += (step.negative ? 2.0 : 1.0) * (step.blocks ? 1.0 : kWorkWithoutBlocks);
    share_done_.push_back(work);
  }
  for (double& share : share_done_) share /= work;
}

void StepPolicy::plan(const StepRules& rules, const std::vector<double>& timesteps,
                      const MagnitudeTable& magnitudes) {
  const int64_t count = steps();
  const int64_t first_free = std::max<int64_t>(share_of(rules.first_full, count), 1);
  const int64_t first_last = count - std::max<int64_t>(share_of(rules.last_full, count), 1);
  const int64_t guidance_from = share_of(rules.guidance_from, count);
  GatheredError gathered(rules, magnitudes);
  double found_at = 0.0;         // timestep at which the blocks were run last
  int64_t without_negative = 0;  // of the steps with blocks, since the last full one
  for (int64_t i = 0; i < count; ++i) {
    StepWork& step = work_[i];
    const double now = timesteps[i];
    const bool gated = i >= guidance_from;
    const bool free = i >= first_free && i < first_last;
    if (free && gathered.allow(found_at, now, guided_ && !gated)) {
      step.blocks = false;
      step.negative = guided_ && !gated;
      continue;
    }
    gathered.restart();
    found_at = now;
    const bool anew = !gated || without_negative + 1 >= rules.guidance_interval;
    step.negative = guided_ && (anew || !free);
    without_negative = step.negative ? 0 : without_negative + 1;
  }
}

void StepPolicy::note_what_is_kept() {
  bool residuals = false, guidance = false;
  for (auto step = work_.rbegin(); step != work_.rend(); ++step) {
    if (step->blocks) {
      step->keep_residuals = residuals;
      residuals = false;
    } else {
      residuals = true;
    }
    if (step->negative) {
      step->keep_guidance = guidance;
      guidance = false;
    } else {
      guidance = guided_;
    }
  }
}

std::string StepPolicy::summary(int64_t asked) const {
  const std::string run = std::to_string(steps()) + (steps() == 1 ? " step" : " steps");
  if (steps() == asked && counts_.full == steps()) return run + ", all in full.";
  std::string text = run;
  if (steps() != asked) text += " instead of " + std::to_string(asked);
  text += ": " + std::to_string(counts_.full) + " in full, " +
          std::to_string(counts_.guidance_reused) + " with the guidance of an earlier step, " +
          std::to_string(counts_.reused) + " with the residuals of an earlier step";
  if (counts_.reused > 0) text += " (magnitudes of " + source_ + ")";
  return text + ".";
}

}  // namespace ovi
