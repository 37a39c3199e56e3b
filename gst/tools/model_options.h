// Which model, on what and how: options that several commands have.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

#include "engine/lora.h"
#include "options.h"
#include "ovi/engine.h"

namespace ovii2v::tools {

class ModelOptions {
 public:
  /// For Options::add().
  std::vector<GOptionEntry> entries();
  bool has_folder() const { return static_cast<bool>(model_); }
  bool has_device() const { return static_cast<bool>(device_); }
  void set_folder(const std::string& folder) { folder_ = folder; }

  /// Values are those of the element's properties. Says what is wrong with one; empty when all is
  /// well.
  std::string read(GObjectClass* klass);
  /// What was named, else $OVI_MODEL_PATH.
  std::string folder() const;
  /// Borrows from *this.
  ovi_engine_config config() const;

 private:
  Text model_, variant_text_, device_, precision_text_, memory_text_, lora_text_;
  std::vector<Lora> loras_;
  std::vector<ovi_lora> engine_loras_;  // borrows from loras_
  std::string folder_, device_name_ = "auto";
  mutable std::string used_folder_;
  ovi_variant variant_ = OVI_VARIANT_AUTO;
  ovi_precision precision_ = OVI_PRECISION_AUTO;
  ovi_memory memory_ = OVI_MEMORY_AUTO;
};

}  // namespace ovii2v::tools
