// How long a clip will take on this device, from a short probe and a count.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pipeline/device_rates.h"
#include "pipeline/loaded_model.h"
#include "pipeline/request.h"

namespace ovi {

/// Seconds of each stage; reading weights is not in them.
struct TimeEstimate {
  double text = 0, image = 0, denoise = 0, sound = 0, video = 0;
  DeviceRates rates;
  int64_t steps = 0;

  double total() const { return text + image + denoise + sound + video; }
};

/// The clip really takes between 1 - kTimeError and 1 + kTimeError of it where the machine has
/// nothing else to do; docs/benchmarks.md has the measurements that this is from.
inline constexpr double kTimeError = 0.3;

/// For a clip of `request`, whose prompt does not matter. Opens the files as
/// LoadedModel::stage_needs(), and measures for some seconds. Throws Error as LoadedModel does,
/// kSettings for the request, kCancelled.
TimeEstimate estimate_time(const std::shared_ptr<LoadedModel>& model, const Request& request,
                           const Cancel* cancel);

}  // namespace ovi
