// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "pipeline/loaded_model.h"

namespace ovi::bench {

struct SyntheticModel {
  ModelFolder folder;  // no files, but for the tokeniser of the test model
  ModelSources sources;
};

/// Random weights for a published variant, at the published sizes but for those in
/// `size` (keys as in ovi-bench's help). Throws Error(kSettings) for an unknown name.
SyntheticModel synthetic_model(const std::string& variant,
                               const std::map<std::string, int64_t>& size);

}  // namespace ovi::bench
