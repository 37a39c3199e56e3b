// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "pipeline/loaded_model.h"

namespace ovi {

/// The one LoadedModel of this process for these files, LoRAs, device, arithmetic and wished memory
/// plan; made when nobody holds it any more. Any thread. Of another `part` it is another one.
std::shared_ptr<LoadedModel> shared_model(const ModelFolder& folder, const c10::Device& device,
                                          const Arithmetic& arithmetic,
                                          Memory memory = Memory::kAuto,
                                          const std::string& part = {});

}  // namespace ovi
