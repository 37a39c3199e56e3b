// What an engine is made of, before any file is looked at.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/loaded_model.h"
#include "runtime/device.h"
#include "runtime/memory_plan.h"
#include "weights/lora_file.h"
#include "weights/model_folder.h"

namespace ovi {

struct EngineConfig {
  std::string model_path;
  Variant variant = Variant::kAuto;
  Precision precision = Precision::kAuto;
  Memory memory = Memory::kAuto;
  std::vector<Lora> loras;
};

/// Finds the files and checks them against each other; reads no weights. Engines of equal
/// configurations share what this gives, but for those of another `part`: ranks of one clip each
/// have their own. Throws Error.
std::shared_ptr<LoadedModel> open_model(const EngineConfig& config, const c10::Device& device,
                                        const std::string& part = {});

/// The same, of the files that find_model() found.
std::shared_ptr<LoadedModel> open_model(ModelFolder folder, const EngineConfig& config,
                                        const c10::Device& device, const std::string& part = {});

/// Whether a clip is made by so many ranks: 1, 2, 3, 4, 6 or 8.
bool can_split(int64_t ranks);

/// Of a list as devices= has it ("cuda:0,cuda:1"): 1, 2, 3, 4, 6 or 8 devices, none of them twice
/// but for the CPU, all of one kind. Throws Error(kSettings) that names what is wrong, and as
/// find_device() does.
std::vector<c10::Device> find_devices(const std::string& list);

/// Those of this process: the devices of a list, or the one of device= where there is none. Throws
/// Error as find_devices() and find_device() do, and Error(kSettings) for devices=ranks, of which
/// each has a process of its own.
std::vector<c10::Device> own_devices(const std::string& device, const std::string& devices);

}  // namespace ovi
