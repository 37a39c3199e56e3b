// SPDX-License-Identifier: Apache-2.0
#include "pipeline/device_fit.h"

#include <algorithm>

namespace ovi {
namespace {

using Shares = std::vector<std::vector<StageNeeds>>;

void choose(DeviceReport& report, const Shares& shares, Memory wished, bool host) {
  for (const Memory plan : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
    if (host && plan == Memory::kStream) continue;
    const int64_t needed = needed_bytes(plan, shares);
    report.plans.push_back({plan, needed, needed <= report.memory.free});
  }
  report.chosen = (host ? choose_host_memory(wished, shares, report.memory)
                        : choose_memory(wished, shares[0], report.memory))
                      .memory;
}

/// How a sentence about one of several devices begins.
std::string opening(const DeviceReport& report) {
  if (report.ranks == 1) return report.name + ": ";
  return std::to_string(report.ranks) + " ranks on the " + report.name + ": ";
}

}  // namespace

std::vector<DeviceReport> devices_of(const std::vector<c10::Device>& ranks) {
  std::vector<DeviceReport> devices;
  for (const c10::Device& place : ranks) {
    if (place.is_cpu() && !devices.empty())
      ++devices[0].ranks;
    else
      devices.emplace_back().name = place.str();
  }
  return devices;
}

std::vector<DeviceReport> fit(const std::vector<c10::Device>& ranks, const Shares& shares,
                              Memory wished,
                              const std::function<DeviceMemory(const c10::Device&)>& memory_of) {
  std::vector<DeviceReport> devices = devices_of(ranks);
  for (size_t i = 0; i < devices.size(); ++i) {
    const bool host = ranks[i].is_cpu();
    DeviceReport& report = devices[i];
    report.memory = memory_of(ranks[i]);
    try {
      choose(report, host ? shares : Shares{shares[i]}, wished, host);
    } catch (const Error& error) {
      report.problem = ranks.size() == 1
                           ? error
                           : Error(error.kind(), opening(report) + error.what(), error.detail());
    }
  }
  return devices;
}

Memory chosen_for_all(const std::vector<DeviceReport>& devices) {
  Memory poorest = Memory::kAuto;
  for (const DeviceReport& report : devices) {
    if (report.chosen == Memory::kAuto) return Memory::kAuto;
    poorest = std::max(poorest, report.chosen);
  }
  return poorest;
}

}  // namespace ovi
