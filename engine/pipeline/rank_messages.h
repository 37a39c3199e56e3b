// What rank 0 tells the others to do.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/engine_config.h"
#include "pipeline/request.h"

namespace ovi {

/// One round's work. Each rank has the models that were opened and not closed, by number.
struct RankOrder {
  enum class Do { kOpen, kMake, kClose, kLeave };
  Do what = Do::kLeave;
  int64_t model = 0;
  // Of kOpen:
  EngineConfig config;
  std::string identity;  // of rank 0's model, as identity_of() has it; empty: not to be compared
  // Of kMake:
  int64_t group = 0;  // which connections: new ones where the number is
  Request request;    // without the picture's pixels
};

std::string written(const RankOrder& order);
/// Throws Error(kFormat) for what makes no sense.
RankOrder read_order(const std::string& bytes);

/// What of a model's files must be alike on all ranks: names, types and shapes of tensors. Looks
/// into the files, reads no weights.
std::string identity_of(const ModelFolder& folder);

}  // namespace ovi
