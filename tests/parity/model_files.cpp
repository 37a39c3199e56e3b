// SPDX-License-Identifier: Apache-2.0
#include "model_files.h"

#include "weights/layouts/open_component.h"
#include "weights/model_settings.h"

namespace fs = std::filesystem;

namespace ovi::parity {
namespace {

std::string usual_place(const Case& c, Component component) {
  switch (component) {
    case Component::kFusion:
      return "Ovi/" + c.args().value("checkpoint", std::string("model.safetensors"));
    case Component::kTextEncoder:
      return "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
    case Component::kVideoVae:
      return "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
    case Component::kAudioVae:
      return "MMAudio/ext_weights/v1-16.pth";
    case Component::kVocoder:
      return "MMAudio/ext_weights/best_netG.pt";
    case Component::kPreviewDecoder:
      return "taew2_2.safetensors";
  }
  return {};
}

}  // namespace

ModelFolder whole_model(const Case& c) {
  return find_model(c.model().string(), Variant::kAuto, c.args().value("checkpoint", std::string()));
}

Weights open_part(const Case& c, Component component) {
  return open_part(c, component, c.options().dtype);
}

Weights open_part(const Case& c, Component component, at::ScalarType dtype) {
  const fs::path usual = c.model() / usual_place(c, component);
  const std::vector<std::string> paths = fs::exists(usual)
                                             ? std::vector<std::string>{usual.string()}
                                             : files_of(whole_model(c), component);
  return Weights(open_component(paths, component), {dtype, c.options().device, {}});
}

std::string spiece_model(const Case& c) {
  const fs::path usual = c.model() / "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model";
  return fs::exists(usual) ? usual.string() : whole_model(c).spiece_model;
}

FusionOptions fusion_options_of(const Case& c) {
  const ModelSettings settings = read_model_settings((c.model() / "ovi.json").string());
  FusionOptions options;
  options.num_heads = settings.num_heads;
  if (settings.audio_rope_scaling) options.audio_rope_scaling = *settings.audio_rope_scaling;
  return options;
}

}  // namespace ovi::parity
