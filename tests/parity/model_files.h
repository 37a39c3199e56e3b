// Where a case's model keeps its parts. A case of one stage needs only that part's
// file, so that a folder with less than a whole model can be judged.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "case.h"
#include "models/fusion_transformer.h"
#include "weights/component.h"
#include "weights/model_folder.h"
#include "weights/weights.h"

namespace ovi::parity {

/// The weights of one part, in the case's dtype (or `dtype`) on its device.
Weights open_part(const Case& c, Component component);
Weights open_part(const Case& c, Component component, at::ScalarType dtype);

std::string spiece_model(const Case& c);

/// Heads and audio positions as the model's ovi.json has them.
FusionOptions fusion_options_of(const Case& c);

/// The whole folder, for a case that runs all stages.
ModelFolder whole_model(const Case& c);

}  // namespace ovi::parity
