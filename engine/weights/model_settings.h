// ovi.json: this project's own optional file at a model folder's root, for what
// cannot be read from tensor shapes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ovi {

struct ModelSettings {
  std::optional<std::string> variant_name;
  std::optional<int64_t> area;           // variant.area, pixels
  std::optional<int64_t> video_latents;  // variant.video_latents
  std::optional<int64_t> audio_latents;  // variant.audio_latents
  std::optional<int64_t> num_heads;      // fusion.num_heads
  std::optional<double> audio_rope_scaling;
};

/// All empty when there is no such file. How much a variant may be asked for is find_model()'s to
/// know. Throws Error(kFormat) that names file,
/// field and value, also for a field that does not exist.
ModelSettings read_model_settings(const std::string& path);

}  // namespace ovi
