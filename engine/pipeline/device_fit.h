// Whether the shares of a clip fit into the memory of the devices that are to make it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"

namespace ovi {

struct MemoryReport {
  Memory memory = Memory::kResident;
  int64_t needed = 0;  // bytes
  bool fits = false;
};

/// A device, and the ranks of a clip that are on it.
struct DeviceReport {
  std::string name;  // "cuda:1"
  int64_t ranks = 1;
  DeviceMemory memory;              // of the device, or of the host on a CPU
  std::vector<MemoryReport> plans;  // that the device can have, for all its ranks
  Memory chosen = Memory::kAuto;    // kAuto: it does not fit
  std::optional<Error> problem;     // names the device, where there are several
};

/// Each device with its rank; a CPU once, with all that are on it. Nothing of their memory yet.
std::vector<DeviceReport> devices_of(const std::vector<c10::Device>& ranks);

/// The same with what each needs, `shares` being what the stages of each rank take, and whether it
/// is free.
std::vector<DeviceReport> fit(const std::vector<c10::Device>& ranks,
                              const std::vector<std::vector<StageNeeds>>& shares, Memory wished,
                              const std::function<DeviceMemory(const c10::Device&)>& memory_of);

/// The poorest of what was chosen, with which the other devices make their shares too; kAuto where
/// one has none.
Memory chosen_for_all(const std::vector<DeviceReport>& devices);

}  // namespace ovi
