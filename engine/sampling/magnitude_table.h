// How large what the transformer's blocks add is along the schedule: the measure by
// which a step is judged to be like the one before (MagCache, arXiv 2506.09045).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace ovi {

/// Each stream has its own curve in each guidance pass.
enum class MagnitudeCurve { kVideoPositive, kVideoNegative, kAudioPositive, kAudioNegative };
inline constexpr size_t kMagnitudeCurves = 4;

/// Ratios between neighbouring steps of one measured run.
struct MagnitudeRatios {
  /// What the model was told at each step, 0..1000, falling; at least two.
  std::vector<double> timesteps;
  /// By MagnitudeCurve. ratios[i]: mean over the tokens of |residual at timesteps[i + 1]| /
  /// |residual at timesteps[i]|; above 0, one fewer than timesteps.
  std::array<std::vector<double>, kMagnitudeCurves> ratios;
};

/// The ratio between any two timesteps, so that one measured run serves every number of
/// steps, shift and solver: the logarithm of the magnitude is linear between the measured
/// timesteps, and goes on beyond them as it ends.
class MagnitudeTable {
 public:
  /// `source` says in a few words where the ratios come from. Throws Error(kFormat) when
  /// they break the rules above.
  MagnitudeTable(const MagnitudeRatios& measured, std::string source);

  /// |residual at timestep `to`| / |residual at timestep `from`|.
  double ratio(MagnitudeCurve curve, double from, double to) const;

  const std::string& source() const { return source_; }

  /// Of the video backbone, Wan2.2-TI2V-5B from a picture, 50 UniPC steps of shift 5, as the
  /// MagCache project publishes them (github.com/Zehong-Ma/MagCache, MagCache4Wan2.2,
  /// Apache-2.0). No run of Ovi itself is published; sound takes the video's.
  static MagnitudeTable of_the_backbone();

 private:
  double log_magnitude(MagnitudeCurve curve, double timestep) const;

  std::vector<double> timesteps_;                                     // rising
  std::array<std::vector<double>, kMagnitudeCurves> log_magnitudes_;  // one a timestep
  std::string source_;
};

}  // namespace ovi
