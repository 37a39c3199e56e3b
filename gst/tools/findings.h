// What `ovi check` found, and how it is told.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "container.h"
#include "ovi/inspect.h"

namespace ovii2v::tools {

struct Component {
  std::string name, path, dtype, problem, warning, why;
  uint64_t bytes = 0, tensors = 0, parameters = 0;
};

/// One of the devices that a clip is made on, and what plans take of it.
struct Device {
  std::string name, problem;
  uint32_t ranks = 1;  // of the clip, that are on it
  uint64_t free = 0, total = 0;
  ovi_memory memory = OVI_MEMORY_AUTO;  // the one that is taken; AUTO: none fits
  std::vector<ovi_memory_need> plans;
};

struct Findings {
  std::string plugin_version, plugin_file, engine_version, engine_file;
  struct Format {
    std::string name, problem;
    Graph graph;
  };
  std::vector<Format> formats;
  std::string model;
  std::vector<Component> components;
  std::string devices_named;  // as --devices has them; empty: one, by --device
  std::vector<Device> devices;
  std::vector<std::string> notes;
  struct Precision {
    std::string name;
    std::vector<ovi_memory_need> plans;   // of all devices, as plans_of() has them
    ovi_memory memory = OVI_MEMORY_AUTO;  // the one that fits; AUTO: none
  };
  std::vector<Precision> others;  // what other precisions would take
  ovi_time_estimate time{};
  bool timed = false;
  ovi_inspection model_found{};
  bool inspected = false;
  std::vector<std::string> problems;
};

/// As the property `memory` has it; "none" for OVI_MEMORY_AUTO.
const char* memory_name(ovi_memory memory);

/// Each plan once: what it takes of the device that it takes most of, and whether it fits on all.
std::vector<ovi_memory_need> plans_of(const std::vector<Device>& devices);

/// The settings of ovii2vsrc that fit, spelled out; empty when none do.
std::vector<std::pair<std::string, std::string>> best_settings(const Findings& found);

/// For people: findings to stdout, warnings and problems to stderr.
void print(const Findings& found);

/// For programs: one JSON object.
std::string json_of(const Findings& found);

}  // namespace ovii2v::tools
