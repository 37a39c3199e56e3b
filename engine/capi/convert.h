// Between the C structs and the engine's own.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ovi/convert.h"
#include "ovi/engine.h"
#include "pipeline/conversion_plan.h"
#include "pipeline/engine_config.h"
#include "pipeline/generator.h"
#include "runtime/device.h"
#include "weights/lora_file.h"
#include "weights/model_folder.h"

namespace ovi::capi {

/// Each throws Error(kSettings) for a value that the enumeration does not have.
Variant to_variant(const ovi_variant& variant);
Precision to_precision(const ovi_precision& precision);
Memory to_memory(const ovi_memory& memory);
StoredAs to_stored_as(const ovi_weights& weights);
Factors to_factors(const ovi_factors& factors);
/// Throws Error(kSettings) for too many, one without a path or one of a strange size.
std::vector<Lora> to_loras(const ovi_lora* loras, uint32_t count);
/// All but the devices.
EngineConfig to_config(const ovi_engine_config& config);
Request to_request(const ovi_request& request);

ovi_variant from_variant(Variant variant);
ovi_stage from_stage(Stage stage);
ovi_plan from_plan(const ClipPlan& plan, const LoadedModel& model);
ovi_stats from_stats(const GenerationStats& stats);
ovi_warning_code from_warning(WarningCode code);

}  // namespace ovi::capi
