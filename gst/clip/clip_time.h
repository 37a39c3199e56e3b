// How far a clip is and how long the rest of it takes: arithmetic, no clocks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "ovi/engine.h"

namespace ovii2v {

/// What stands there, whatever it is: an engine of another release may know more stages than the
/// enum here, which may then not be read as one.
inline int stage_of(const ovi_progress& progress) {
  int stage;
  static_assert(sizeof stage == sizeof progress.stage);
  std::memcpy(&stage, &progress.stage, sizeof stage);
  return stage;
}

/// Puts the stages of a clip on one scale. Their shares are what they took in the clip before, when
/// that was like this one; before there was one, a usual ratio to the denoising's steps. Times
/// are seconds of any clock that goes on evenly.
class ClipTime {
 public:
  /// Nothing of a clip is done, and nothing known of it.
  void reset();
  /// A clip begins, or begins anew. `like` names all that its time depends on but the steps;
  /// `loads`: the model may have to be read.
  void begin(const std::string& like, uint32_t steps, bool loads);
  void update(const ovi_progress& progress, double now);
  /// The clip is whole: what its stages took is the measure of the next one.
  void complete(double now);

  /// Never less than before in the clip, and 100 once it is complete.
  int percent() const { return percent_; }
  /// Seconds until the clip is complete, of all stages; none while that is not known.
  std::optional<double> left(double now) const;

 private:
  static constexpr int kStages = OVI_STAGE_DECODE + 1;

  void enter(int stage, double now);
  double weight(int stage) const;
  std::optional<double> step_seconds() const;
  std::optional<double> left_of_stage(double now) const;
  std::optional<double> expected(int stage) const;

  struct Measured {
    std::optional<double> load;
    double encode = 0, step = 0, decode = 0;  // s
  };
  std::optional<Measured> measured_;
  std::string like_;

  uint32_t steps_ = 1;
  uint32_t told_steps_ = 0;  // the engine may take fewer
  bool loads_ = false;
  bool complete_ = false;
  bool begun_ = false;
  int stage_ = -1;  // none yet
  double since_ = 0;
  double share_ = 0;       // of the stage, that is done
  double told_left_ = -1;  // by the engine, of the stage
  double told_at_ = 0;
  std::array<double, kStages> spent_{};
  int percent_ = 0;
};

}  // namespace ovii2v
