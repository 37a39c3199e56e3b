// What each step of the denoising computes, and what it takes over from earlier ones.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sampling/magnitude_table.h"

namespace ovi {

enum class Acceleration { kNone, kBalanced, kFast };

/// How far a kind of acceleration goes. The default is none: every step in full.
struct StepRules {
  /// Steps that are run, as a share of those asked for; never fewer than the smaller of
  /// kFewestSteps and what was asked for.
  double share_of_steps = 1.0;
  /// Shares of the steps at the two ends that are computed in full, rounded up: the first
  /// ones lay out the clip, the last ones its details.
  double first_full = 1.0, last_full = 0.0;
  /// From this share of the steps on, the negative pass is left out and the difference it
  /// made is taken from an earlier step: guidance settles before the picture does (Castillo
  /// et al., arXiv 2312.12487; arXiv 2506.08351). Every `guidance_interval`th step that runs
  /// the blocks takes it anew.
  double guidance_from = 1.0;
  int64_t guidance_interval = 1;
  /// A step runs no block, but adds what the blocks added at an earlier one, while not more
  /// than `most_reuses` do so in a row and the errors these have gathered stay below the
  /// limit in each stream (MagCache, arXiv 2506.09045). The error of a step is
  /// |1 - magnitude now / magnitude of what is reused|.
  int64_t most_reuses = 0;
  double video_error = 0.0, audio_error = 0.0;
};
inline constexpr int64_t kFewestSteps = 10;

StepRules rules_of(Acceleration acceleration);

/// Steps that are run when `asked` are asked for.
int64_t steps_to_run(const StepRules& rules, int64_t asked);

/// One step's share of the work.
struct StepWork {
  bool blocks = true;    // false: add what the blocks added at the last step that ran them
  bool negative = true;  // evaluate the negative pass; false: none, or its effect is reused
  // Whether a later step uses what this one finds.
  bool keep_residuals = false, keep_guidance = false;

  bool operator==(const StepWork&) const = default;
};

/// Decided as a whole before the first step, from tables on the host: a step needs nothing
/// from the device to know what to do.
class StepPolicy {
 public:
  /// `timesteps`: those of the steps that are run, falling. `guided`: there is a negative
  /// pass.
  StepPolicy(const StepRules& rules, const std::vector<double>& timesteps, bool guided,
             const MagnitudeTable& magnitudes);

  /// Does what another one decided, of as many steps.
  void follow(std::vector<StepWork> work);

  const StepWork& at(int64_t step) const { return work_[static_cast<size_t>(step)]; }
  int64_t steps() const { return static_cast<int64_t>(work_.size()); }

  struct Counts {
    int64_t full = 0;             // all that there is to compute
    int64_t guidance_reused = 0;  // the positive pass alone
    int64_t reused = 0;           // no block
  };
  const Counts& counts() const { return counts_; }

  /// Share of the whole work that is done after `done` steps, 0..1, by the count of block
  /// evaluations: for the time that is left.
  double share_done(int64_t done) const { return share_done_[static_cast<size_t>(done)]; }

  /// One sentence that names what is left out; `asked`: the steps that were asked for.
  std::string summary(int64_t asked) const;

 private:
  void plan(const StepRules& rules, const std::vector<double>& timesteps,
            const MagnitudeTable& magnitudes);
  void note_what_is_kept();
  void count();

  bool guided_;
  std::string source_;  // of the magnitudes
  std::vector<StepWork> work_;
  Counts counts_;
  std::vector<double> share_done_;  // one more than steps
};

}  // namespace ovi
