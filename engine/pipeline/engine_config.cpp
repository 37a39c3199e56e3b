// SPDX-License-Identifier: Apache-2.0
#include "pipeline/engine_config.h"

#include <algorithm>
#include <array>

#include "pipeline/model_registry.h"
#include "runtime/error.h"

namespace ovi {
namespace {

// Of which a clip's sequence and guidance split evenly enough to be worth it.
constexpr std::array<int64_t, 6> kCounts = {1, 2, 3, 4, 6, 8};

std::string trimmed(const std::string& text) {
  constexpr const char* kBlank = " \t\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Error wrong(const std::string& list, const std::string& why) {
  return Error(ErrorKind::kSettings, "devices=" + list + " " + why);
}

}  // namespace

std::shared_ptr<LoadedModel> open_model(const EngineConfig& config, const c10::Device& device,
                                        const std::string& part) {
  return open_model(find_model(config.model_path, config.variant), config, device, part);
}

std::shared_ptr<LoadedModel> open_model(ModelFolder folder, const EngineConfig& config,
                                        const c10::Device& device, const std::string& part) {
  folder.loras = config.loras;
  const Arithmetic arithmetic = arithmetic_of(config.precision, device);
  const auto model = shared_model(folder, device, arithmetic, config.memory, part);
  model->lora_warnings();  // throws where one cannot be merged
  return model;
}

bool can_split(int64_t ranks) {
  return std::find(kCounts.begin(), kCounts.end(), ranks) != kCounts.end();
}

std::vector<c10::Device> find_devices(const std::string& list) {
  std::vector<std::string> names;
  for (size_t from = 0; from <= list.size();) {
    const size_t comma = std::min(list.find(',', from), list.size());
    names.push_back(trimmed(list.substr(from, comma - from)));
    from = comma + 1;
  }
  if (std::find(names.begin(), names.end(), "") != names.end())
    throw wrong(list, "has a name that is empty. Set devices=cuda:0,cuda:1, for example.");
  if (std::find(names.begin(), names.end(), "auto") != names.end())
    throw wrong(list, "leaves open which device is meant. Name each: devices=cuda:0,cuda:1.");
  if (!can_split(static_cast<int64_t>(names.size()))) {
    throw wrong(list, "are " + std::to_string(names.size()) +
                          " devices. A clip is made on 1, 2, 3, 4, 6 or 8 of them: name so many.");
  }
  std::vector<c10::Device> devices;
  for (const std::string& name : names) {
    const c10::Device device = find_device(name, "device=cpu and no devices");
    if (!devices.empty() && device.type() != devices[0].type())
      throw wrong(list, "mixes CPU and GPU, which do not talk to each other. Name devices of one "
                        "kind.");
    if (!device.is_cpu() && std::find(devices.begin(), devices.end(), device) != devices.end())
      throw wrong(list, "has " + device.str() + " twice. Name each GPU once.");
    devices.push_back(device);
  }
  return devices;
}

std::vector<c10::Device> own_devices(const std::string& device, const std::string& devices) {
  if (devices == "ranks")
    throw wrong(devices,
                "are processes, each with a device of its own. Set device to that of one.");
  if (devices.empty()) return {find_device(device)};
  return find_devices(devices);
}

}  // namespace ovi
