// What pictures of the steps cost beside a clip.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "pipeline/generator.h"

namespace ovi::bench {

/// Seconds of the parts of previews for clips of this plan, each the least of several tries, and
/// their share of a clip that took `clip_seconds` with a picture after each of its `steps`. The
/// model is prepared.
nlohmann::json measure_previews(LoadedModel& model, const ClipPlan& plan, int64_t steps,
                                double clip_seconds);
void print_previews(const nlohmann::json& measured);

}  // namespace ovi::bench
