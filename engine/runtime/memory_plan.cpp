// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory_plan.h"

#include <algorithm>
#include <array>

#include "runtime/decimal.h"
#include "runtime/error.h"

namespace ovi {
namespace {

constexpr std::array kPlans = {Memory::kResident, Memory::kOffload, Memory::kStream};
constexpr int64_t kMiB = int64_t{1} << 20, kGiB = int64_t{1} << 30;

int64_t margin(const DeviceMemory& memory) { return std::min(memory.total / 16, kGiB); }

std::string readable(int64_t bytes) {
  const bool large = bytes >= kGiB;
  const double unit = static_cast<double>(large ? kGiB : kMiB);
  return decimal(static_cast<double>(bytes) / unit, 1) + (large ? " GiB" : " MiB");
}

std::string mib(int64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + " MiB"; }

}  // namespace

const char* memory_name(Memory memory) {
  switch (memory) {
    case Memory::kAuto:
      return "auto";
    case Memory::kResident:
      return "resident";
    case Memory::kOffload:
      return "offload";
    case Memory::kStream:
      break;
  }
  return "stream";
}

Portions portions_of(Memory memory) {
  // Enough rows that a matrix product is as fast as with all of them. A strip more would save
  // less than the columns that it shares with its neighbours take.
  constexpr int64_t kRows = 4096, kStrips = 4;
  if (memory != Memory::kStream) return {};
  return {kRows, kStrips, /*keeps_text_keys=*/false};
}

int64_t needed_bytes(Memory memory, const std::vector<StageNeeds>& stages) {
  int64_t all = 0, activations = 0, largest = 0;
  for (const StageNeeds& stage : stages) {
    all += stage.weights;
    activations = std::max(activations, stage.activations);
    largest = std::max(largest, memory == Memory::kStream ? stage.streamed + stage.in_portions
                                                          : stage.weights + stage.activations);
  }
  return memory == Memory::kResident ? all + activations : largest;
}

int64_t needed_bytes(Memory memory, const std::vector<std::vector<StageNeeds>>& ranks) {
  int64_t sum = 0;
  for (const std::vector<StageNeeds>& stages : ranks) sum += needed_bytes(memory, stages);
  return sum;
}

std::string way_out_of_memory(Memory memory, const std::vector<StageNeeds>& stages,
                              const DeviceMemory& free) {
  for (const Memory poorer : kPlans) {
    if (poorer > memory && needed_bytes(poorer, stages) <= free.free) {
      return std::string("Set memory=") + memory_name(poorer) + ", which needs " +
             mib(needed_bytes(poorer, stages)) + ".";
    }
  }
  return "Close what else uses the device, or choose a smaller variant or precision=fp8.";
}

MemoryChoice choose_host_memory(Memory wished, const std::vector<StageNeeds>& stages,
                                const DeviceMemory& memory) {
  return choose_host_memory(wished, std::vector<std::vector<StageNeeds>>{stages}, memory);
}

MemoryChoice choose_host_memory(Memory wished, const std::vector<std::vector<StageNeeds>>& ranks,
                                const DeviceMemory& memory) {
  const int64_t all = needed_bytes(Memory::kResident, ranks);
  const int64_t part = needed_bytes(Memory::kOffload, ranks);
  const bool known = memory.total > 0;
  if (wished == Memory::kResident || (wished == Memory::kAuto && (!known || all <= memory.free))) {
    return {Memory::kResident, all, "memory=resident: the weights are in host memory."};
  }
  MemoryChoice choice{Memory::kOffload, part,
                      "memory=offload: the weights are in their files between uses."};
  if (wished != Memory::kAuto) return choice;
  const std::string free = readable(memory.free) + " are free.";
  choice.why +=
      " resident needs " + readable(all) + " of host memory, this " + readable(part) + "; " + free;
  if (part <= memory.free) return choice;
  throw Error(ErrorKind::kNoSpace,
              "Not enough host memory: memory=offload needs " + mib(part) + ", " +
                  mib(memory.free) +
                  " are free. Set precision=bf16, which leaves most weights in their files, close "
                  "other programs, or set memory=offload to try all the same.");
}

MemoryChoice choose_memory(Memory wished, const std::vector<StageNeeds>& stages,
                           const DeviceMemory& memory, Memory richest) {
  const auto choice = [&](Memory plan) {
    MemoryChoice made{plan, needed_bytes(plan, stages), {}};
    made.why = std::string("memory=") + memory_name(plan) + ": ";
    if (wished == Memory::kAuto && plan > Memory::kResident) {
      const auto above = static_cast<Memory>(static_cast<int>(plan) - 1);
      made.why += std::string(memory_name(above)) + " needs " +
                  readable(needed_bytes(above, stages)) + " of device memory, this ";
    } else {
      made.why += "needs ";
    }
    made.why += readable(made.needed) + "; " + readable(memory.free) + " are free.";
    return made;
  };
  const bool is_auto = wished == Memory::kAuto;
  for (const Memory plan : kPlans) {
    if (is_auto ? plan < richest : plan != wished) continue;
    const int64_t spare = is_auto ? margin(memory) : 0;
    if (needed_bytes(plan, stages) + spare <= memory.free) return choice(plan);
  }
  const Memory tried = is_auto ? Memory::kStream : wished;
  throw Error(ErrorKind::kNoSpace,
              std::string("Not enough device memory: memory=") + memory_name(tried) + " needs " +
                  mib(needed_bytes(tried, stages)) +
                  (is_auto ? " and " + mib(margin(memory)) + " to spare" : "") + ", " +
                  mib(memory.free) + " are free. " + way_out_of_memory(tried, stages, memory));
}

}  // namespace ovi
