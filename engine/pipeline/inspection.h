// What a model folder holds and what a clip of it needs, without reading weights.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/device_fit.h"
#include "pipeline/engine_config.h"
#include "pipeline/frame_size.h"
#include "runtime/error.h"

namespace ovi {

struct ComponentReport {
  std::string name, path;
  uint64_t bytes = 0, tensors = 0, parameters = 0;
  std::string dtype;             // of most elements first
  std::string why;               // this file, where there was a choice or a guess
  std::string problem, warning;  // sentences; empty: none
};

struct Inspection {
  std::string variant, precision;
  // Why a GPU that is there is not the device; a conversion that was killed.
  std::vector<std::string> notes;
  std::vector<ComponentReport> components;
  std::vector<DeviceReport> devices;  // all that are there, or none; the CPU once
  FrameSize size;                     // of the variant's usual clip
  int64_t frames = 0;
  std::optional<Error> problem;  // the first that keeps a clip from being made
};

/// `device` and `devices` as own_devices() takes them. Goes on after a problem as far as it can;
/// throws nothing but what memory and LibTorch do.
Inspection inspect(const EngineConfig& config, const std::string& device,
                   const std::string& devices = {});

}  // namespace ovi
