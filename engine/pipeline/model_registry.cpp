// SPDX-License-Identifier: Apache-2.0
#include "pipeline/model_registry.h"

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/decimal.h"
#include "runtime/device.h"

namespace ovi {
namespace {

// All that decides what is computed, and when the files were written: a model that
// was replaced on disk is another one.
std::string key_of(const ModelFolder& folder, const c10::Device& device,
                   const Arithmetic& arithmetic, Memory memory) {
  std::string key = device.str() + '\n' + precision_name(arithmetic) + '\n' + memory_name(memory) +
                    '\n' + folder.spec.name + '\n' + std::to_string(folder.spec.area) + ' ' +
                    std::to_string(folder.spec.video_latents) + ' ' +
                    std::to_string(folder.spec.audio_latents) + ' ' +
                    std::to_string(folder.num_heads.value_or(0)) + ' ' +
                    decimal(folder.audio_rope_scaling.value_or(0)) + '\n';
  const auto add_file = [&key](const std::string& path) {
    std::error_code ignored;
    key += std::filesystem::weakly_canonical(path, ignored).string() + ' ' +
           std::to_string(
               std::filesystem::last_write_time(path, ignored).time_since_epoch().count()) +
           '\n';
  };
  for (const std::string& path : all_files(folder)) add_file(path);
  add_file(folder.spiece_model);
  add_file(folder.acceleration);
  for (const Lora& lora : folder.loras) {
    key += decimal(lora.strength) + ' ';
    add_file(lora.path);
  }
  return key;
}

}  // namespace

std::shared_ptr<LoadedModel> shared_model(const ModelFolder& folder, const c10::Device& device,
                                          const Arithmetic& arithmetic, Memory memory,
                                          const std::string& part) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<LoadedModel>> models;
  const std::lock_guard<std::mutex> lock(mutex);
  std::erase_if(models, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<LoadedModel>& known = models[part + '\n' + key_of(folder, device, arithmetic, memory)];
  std::shared_ptr<LoadedModel> model = known.lock();
  if (!model) known = model = std::make_shared<LoadedModel>(folder, device, arithmetic, memory);
  return model;
}

}  // namespace ovi
