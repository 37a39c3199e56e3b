// Which model, on what and how: options that several commands have.
// SPDX-License-Identifier: Apache-2.0
#include "model_options.h"

#include "property.h"

namespace ovii2v::tools {

std::vector<GOptionEntry> ModelOptions::entries() {
  return {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, model_.place(),
       "Folder of the model ($OVI_MODEL_PATH)", "FOLDER"},
      {"variant", 0, 0, G_OPTION_ARG_STRING, variant_text_.place(), "Which checkpoint of several",
       "VARIANT"},
      {"device", 0, 0, G_OPTION_ARG_STRING, device_.place(), "auto, cpu, cuda or cuda:N", "DEVICE"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, precision_text_.place(), "auto, fp32, bf16 or fp8",
       "PRECISION"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, memory_text_.place(),
       "auto, resident, offload or stream", "PLAN"},
      {"lora", 0, 0, G_OPTION_ARG_FILENAME, lora_text_.place(), "LoRA files to merge",
       "FILE:STRENGTH,..."},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
}

std::string ModelOptions::read(GObjectClass* klass) {
  std::vector<Setting> settings;
  const auto number = [&](const char* name, const Text& text, auto& value) {
    if (!text) return std::string();
    const std::string wrong = read_setting(klass, name, text.get(), settings);
    using Value = std::remove_reference_t<decltype(value)>;
    if (wrong.empty()) value = static_cast<Value>(g_value_get_enum(&settings.back().value()));
    return wrong;
  };
  if (device_) device_name_ = device_.get();
  std::string wrong = number("variant", variant_text_, variant_);
  if (wrong.empty()) wrong = number("precision", precision_text_, precision_);
  if (wrong.empty()) wrong = number("memory", memory_text_, memory_);
  if (wrong.empty() && lora_text_) {
    if (auto loras = read_loras(lora_text_.get(), wrong)) loras_ = *loras;
    engine_loras_ = engine_loras(loras_);
  }
  return wrong;
}

std::string ModelOptions::folder() const {
  if (!folder_.empty()) return folder_;
  if (model_) return model_.get();
  const char* usual = g_getenv("OVI_MODEL_PATH");
  return usual ? usual : "";
}

ovi_engine_config ModelOptions::config() const {
  used_folder_ = folder();
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = used_folder_.c_str();
  config.variant = variant_;
  config.device = device_name_.c_str();
  config.precision = precision_;
  config.memory = memory_;
  config.loras = engine_loras_.data();
  config.lora_count = static_cast<uint32_t>(engine_loras_.size());
  return config;
}

}  // namespace ovii2v::tools
