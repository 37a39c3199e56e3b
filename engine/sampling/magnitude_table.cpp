// SPDX-License-Identifier: Apache-2.0
#include "sampling/magnitude_table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/decimal.h"
#include "runtime/error.h"

namespace ovi {
namespace {

// Of neighbours. A thousand steps are 0.01 apart at the least; what is interpolated between stays
// finite.
constexpr double kClosest = 1e-4, kLeastRatio = 1e-6, kLargestRatio = 1e6;

[[noreturn]] void refuse(const std::string& source, const std::string& problem) {
  throw Error(ErrorKind::kFormat, "The magnitude ratios of " + source + ": " + problem + ".");
}

}  // namespace

MagnitudeTable::MagnitudeTable(const MagnitudeRatios& measured, std::string source)
    : timesteps_(measured.timesteps.rbegin(), measured.timesteps.rend()),
      source_(std::move(source)) {
  const size_t count = timesteps_.size();
  if (count < 2) refuse(source_, "at least two timesteps are needed");
  for (size_t i = 0; i < count; ++i) {
    if (!(timesteps_[i] >= 0.0 && timesteps_[i] <= 1000.0)) {
      refuse(source_, "timesteps are from 0 to 1000, not " + std::to_string(timesteps_[i]));
    }
    if (i > 0 && !(timesteps_[i] - timesteps_[i - 1] >= kClosest)) {
      refuse(source_, "each timestep must be below the one before it, by " + decimal(kClosest) +
                          " at least");
    }
  }
  for (size_t c = 0; c < kMagnitudeCurves; ++c) {
    const std::vector<double>& ratios = measured.ratios[c];
    if (ratios.size() != count - 1) {
      refuse(source_, std::to_string(count) + " timesteps need " + std::to_string(count - 1) +
                          " ratios, not " + std::to_string(ratios.size()));
    }
    std::vector<double>& log_magnitudes = log_magnitudes_[c];
    log_magnitudes.assign(count, 0.0);
    for (size_t i = 0; i + 1 < count; ++i) {
      if (!(ratios[i] >= kLeastRatio && ratios[i] <= kLargestRatio)) {
        refuse(source_, "a ratio is above 0, from " + decimal(kLeastRatio) + " to " +
                            decimal(kLargestRatio) + ", not " + decimal(ratios[i]));
      }
      // The timesteps were turned round, so this fills from the back.
      log_magnitudes[count - 2 - i] = log_magnitudes[count - 1 - i] + std::log(ratios[i]);
    }
  }
}

double MagnitudeTable::log_magnitude(MagnitudeCurve curve, double timestep) const {
  const std::vector<double>& values = log_magnitudes_[static_cast<size_t>(curve)];
  const auto above = std::upper_bound(timesteps_.begin(), timesteps_.end(), timestep);
  const auto high = std::clamp<std::ptrdiff_t>(above - timesteps_.begin(), 1,
                                               static_cast<std::ptrdiff_t>(values.size()) - 1);
  const double t0 = timesteps_[high - 1], t1 = timesteps_[high];
  const double slope = (values[high] - values[high - 1]) / (t1 - t0);
  return values[high - 1] + slope * (timestep - t0);
}

double MagnitudeTable::ratio(MagnitudeCurve curve, double from, double to) const {
  return std::exp(log_magnitude(curve, to) - log_magnitude(curve, from));
}

}  // namespace ovi
