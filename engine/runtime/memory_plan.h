// Which weights stay on the device: host arithmetic over what each stage needs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/device.h"
#include "runtime/portions.h"

namespace ovi {

/// From the richest to the poorest; kAuto is a wish only.
enum class Memory {
  kAuto,
  kResident,  // all parts at once
  kOffload,   // the part that is at work; it is read again when it is needed again
  kStream,    // as kOffload, with two blocks of the transformers at a time, and in portions
};
const char* memory_name(Memory memory);  // "auto", "resident", "offload", "stream"

/// All at once, but for kStream.
Portions portions_of(Memory memory);

/// Device bytes of one stage of a generation.
struct StageNeeds {
  std::string name;
  int64_t weights = 0;      // of the part that it runs
  int64_t streamed = 0;     // of the same part with two blocks at a time
  int64_t activations = 0;  // highest at any one time
  int64_t in_portions = 0;  // the same of portions_of(kStream)
};

/// resident: all weights and the largest activations. offload: the largest sum of a stage's
/// weights and activations. stream: the same, with the streamed part and in portions.
int64_t needed_bytes(Memory memory, const std::vector<StageNeeds>& stages);
/// Of ranks that share one memory: the sum, since nobody says that they are at the same stage.
int64_t needed_bytes(Memory memory, const std::vector<std::vector<StageNeeds>>& ranks);

struct MemoryChoice {
  Memory memory = Memory::kResident;
  int64_t needed = 0;  // bytes; an estimate
  std::string why;     // one sentence
};

/// kAuto takes the richest plan, `richest` or poorer, that fits with a margin for what
/// cannot be foreseen: a sixteenth of the device, at most 1 GiB. A wish is held against
/// the free memory as it is. Throws Error(kNoSpace) with needed and free MiB and the
/// setting that would fit.
MemoryChoice choose_memory(Memory wished, const std::vector<StageNeeds>& stages,
                           const DeviceMemory& memory, Memory richest = Memory::kResident);

/// The same on a CPU, where weights of the file's own type stay in their mapping and
/// `stages` count the others. kAuto takes resident or offload, whichever fits into what is
/// free, and throws Error(kNoSpace) when none does: a kernel that ran out of memory would end
/// the process without a word. A wish is kept.
MemoryChoice choose_host_memory(Memory wished, const std::vector<StageNeeds>& stages,
                                const DeviceMemory& memory);
/// Of ranks that share the host's memory.
MemoryChoice choose_host_memory(Memory wished, const std::vector<std::vector<StageNeeds>>& ranks,
                                const DeviceMemory& memory);

/// What to set when `memory` was not enough; a whole sentence.
std::string way_out_of_memory(Memory memory, const std::vector<StageNeeds>& stages,
                              const DeviceMemory& free);

}  // namespace ovi
