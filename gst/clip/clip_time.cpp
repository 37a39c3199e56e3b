// How far a clip is and how long the rest of it takes: arithmetic, no clocks.
// SPDX-License-Identifier: Apache-2.0
#include "clip/clip_time.h"

#include <algorithm>

namespace ovii2v {
namespace {

/// Before anything was measured, in steps of the denoising.
constexpr double kUsualLoad = 10, kUsualEncode = 1, kUsualDecode = 10;

}  // namespace

void ClipTime::reset() {
  told_steps_ = 0;
  complete_ = begun_ = false;
  stage_ = -1;
  share_ = 0;
  told_left_ = -1;
  spent_ = {};
  percent_ = 0;
}

void ClipTime::begin(const std::string& like, uint32_t steps, bool loads) {
  reset();
  if (like != like_) measured_.reset();
  like_ = like;
  steps_ = std::max(steps, 1u);
  loads_ = loads;
  begun_ = true;
}

void ClipTime::enter(int stage, double now) {
  if (stage_ >= 0) spent_[static_cast<size_t>(stage_)] += now - since_;
  stage_ = stage;
  since_ = now;
  share_ = 0;
  told_left_ = -1;
}

void ClipTime::update(const ovi_progress& progress, double now) {
  const int stage = stage_of(progress);
  if (stage < OVI_STAGE_LOAD || stage > OVI_STAGE_DECODE || complete_) return;
  if (stage == OVI_STAGE_LOAD && stage_ > OVI_STAGE_LOAD) {
    // Weights that did not stay: reading them is a part of what they are read for.
    if (share_ >= 1 && stage_ < OVI_STAGE_DECODE) enter(stage_ + 1, now);
    return;
  }
  if (stage < stage_) return;
  if (stage != stage_) enter(stage, now);
  // One MiB: there was nothing to read.
  if (stage == OVI_STAGE_LOAD) loads_ = progress.total > 1;
  if (stage == OVI_STAGE_GENERATE) told_steps_ = progress.total;
  share_ = progress.total ? std::min(1.0, static_cast<double>(progress.done) / progress.total) : 0;
  told_left_ = progress.done ? progress.seconds_left : -1;
  told_at_ = now;

  double all = 0, done = 0;
  for (int i = 0; i < kStages; ++i) {
    all += weight(i);
    if (i < stage_) done += weight(i);
  }
  done += weight(stage_) * share_;
  if (all > 0) percent_ = std::clamp(static_cast<int>(100 * done / all), percent_, 99);
}

void ClipTime::complete(double now) {
  if (stage_ >= 0) enter(stage_, now);
  Measured next;
  if (measured_) next.load = measured_->load;
  if (loads_) next.load = spent_[OVI_STAGE_LOAD];
  next.encode = spent_[OVI_STAGE_ENCODE];
  next.step = spent_[OVI_STAGE_GENERATE] / steps_;
  next.decode = spent_[OVI_STAGE_DECODE];
  measured_ = next;
  complete_ = true;
  percent_ = 100;
}

/// All in seconds, or all in steps.
double ClipTime::weight(int stage) const {
  if (stage == OVI_STAGE_LOAD && !loads_) return 0;
  if (!measured_) {
    const double usual[kStages] = {kUsualLoad, kUsualEncode, static_cast<double>(steps_),
                                   kUsualDecode};
    return usual[stage];
  }
  const double seconds[kStages] = {measured_->load.value_or(kUsualLoad * measured_->step),
                                   measured_->encode, measured_->step * steps_, measured_->decode};
  return seconds[stage];
}

std::optional<double> ClipTime::step_seconds() const {
  if (stage_ > OVI_STAGE_GENERATE && told_steps_) return spent_[OVI_STAGE_GENERATE] / told_steps_;
  if (stage_ == OVI_STAGE_GENERATE && share_ > 0 && told_steps_)
    return (told_at_ - since_) / (share_ * told_steps_);
  return std::nullopt;
}

/// What a stage that has not begun will take.
std::optional<double> ClipTime::expected(int stage) const {
  if (stage == OVI_STAGE_LOAD && loads_ && (!measured_ || !measured_->load)) return std::nullopt;
  if (measured_) return weight(stage);
  const auto step = step_seconds();
  if (stage == OVI_STAGE_DECODE && step) return kUsualDecode * *step;
  return std::nullopt;
}

std::optional<double> ClipTime::left_of_stage(double now) const {
  if (share_ >= 1) return 0;
  if (told_left_ >= 0) return std::max(0.0, told_left_ - (now - told_at_));
  if (const auto whole = expected(stage_)) return std::max(0.0, *whole - (now - since_));
  if (const auto step = step_seconds(); step && stage_ == OVI_STAGE_GENERATE)
    return *step * told_steps_ * (1 - share_);
  return std::nullopt;
}

std::optional<double> ClipTime::left(double now) const {
  if (complete_) return 0;
  if (!begun_) return std::nullopt;
  std::optional<double> sum = stage_ < 0 ? 0.0 : left_of_stage(now);
  for (int later = stage_ + 1; sum && later < kStages; ++later) {
    const auto one = expected(later);
    sum = one ? std::optional<double>(*sum + *one) : std::nullopt;
  }
  return sum;
}

}  // namespace ovii2v
