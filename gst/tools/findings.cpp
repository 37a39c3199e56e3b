// SPDX-License-Identifier: Apache-2.0
#include "findings.h"

#include <algorithm>

namespace ovii2v::tools {

const char* memory_name(ovi_memory memory) {
  switch (memory) {
    case OVI_MEMORY_RESIDENT:
      return "resident";
    case OVI_MEMORY_OFFLOAD:
      return "offload";
    case OVI_MEMORY_STREAM:
      return "stream";
    case OVI_MEMORY_AUTO:
      break;
  }
  return "none";
}

std::vector<ovi_memory_need> plans_of(const std::vector<Device>& devices) {
  std::vector<ovi_memory_need> all;
  for (const Device& device : devices) {
    for (const ovi_memory_need& need : device.plans) {
      const auto known = std::find_if(all.begin(), all.end(), [&](const ovi_memory_need& other) {
        return other.memory == need.memory;
      });
      if (known == all.end()) {
        all.push_back(need);
        continue;
      }
      known->needed = std::max(known->needed, need.needed);
      known->fits = known->fits && need.fits;
    }
  }
  for (ovi_memory_need& need : all) need.device = nullptr;  // several
  return all;
}

std::vector<std::pair<std::string, std::string>> best_settings(const Findings& found) {
  const ovi_inspection& model = found.model_found;
  std::string precision = model.precision;
  ovi_memory memory = model.memory;
  for (const Findings::Precision& other : found.others) {
    // In fewer bits where it does not fit as it would be taken.
    if (memory != OVI_MEMORY_AUTO || other.name == "fp32") continue;
    precision = other.name;
    memory = other.memory;
  }
  if (!found.inspected || memory == OVI_MEMORY_AUTO) return {};
  std::string variant = model.variant_name;
  std::replace(variant.begin(), variant.end(), '_', '-');
  return {{"model-path", found.model},
          {"variant", variant},
          found.devices_named.empty()
              ? std::pair<std::string, std::string>{"device", model.device}
              : std::pair<std::string, std::string>{"devices", found.devices_named},
          {"precision", precision},
          {"memory", memory_name(memory)}};
}

}  // namespace ovii2v::tools
