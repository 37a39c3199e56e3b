// What a model folder holds and what a clip of it needs, without reading weights.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/frame_size.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"
#include "weights/model_folder.h"

namespace ovi {

struct ComponentReport {
  std::string name, path;
  uint64_t bytes = 0, tensors = 0, parameters = 0;
  std::string dtype;             // of most elements first
  std::string why;               // this file, where there was a choice or a guess
  std::string problem, warning;  // sentences; empty: none
};

struct MemoryReport {
  Memory memory = Memory::kResident;
  int64_t needed = 0;  // bytes
  bool fits = false;
};

struct Inspection {
  std::string variant, device, precision;
  // Why a GPU that is there is not the device; a conversion that was killed.
  std::vector<std::string> notes;
  std::vector<ComponentReport> components;
  std::vector<MemoryReport> plans;  // that the device can have
  FrameSize size;                   // of the variant's usual clip
  int64_t frames = 0;
  DeviceMemory memory;  // of the device, or of the host on a CPU
  Memory chosen = Memory::kAuto;
  std::optional<Error> problem;  // the first that keeps a clip from being made
};

/// Goes on after a problem as far as it can; throws nothing but what memory and LibTorch do.
Inspection inspect(const std::string& model_path, Variant variant, const std::string& device,
                   Precision precision, Memory memory, const std::vector<Lora>& loras = {});

}  // namespace ovi
