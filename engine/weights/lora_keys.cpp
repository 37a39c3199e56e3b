// Facts about names are from diffusers (WanTransformer3DModel), PEFT, kohya's sd-scripts, ComfyUI
// and WanGP.
// SPDX-License-Identifier: Apache-2.0
#include "weights/lora_keys.h"

#include <algorithm>
#include <initializer_list>

namespace ovi {
namespace {

constexpr std::string_view kVideo = "video_model_", kAudio = "audio_model_", kBlocks = "blocks_";

struct Ending {
  std::string_view text;
  LoraPart part;
};

constexpr Ending kEndings[] = {
    {".lora_A.weight", LoraPart::kDown},    {".lora_B.weight", LoraPart::kUp},
    {".lora_down.weight", LoraPart::kDown}, {".lora_up.weight", LoraPart::kUp},
    {".lora.down.weight", LoraPart::kDown}, {".lora.up.weight", LoraPart::kUp},
    {".lora.A.weight", LoraPart::kDown},    {".lora.B.weight", LoraPart::kUp},
    {".lora_A", LoraPart::kDown},           {".lora_B", LoraPart::kUp},
    {".lora_B.bias", LoraPart::kUpBias},    {".lora_up.bias", LoraPart::kUpBias},
    {".alpha", LoraPart::kAlpha},           {".diff", LoraPart::kDiff},
    {".diff_b", LoraPart::kBiasDiff},       {".diff_m", LoraPart::kModulationDiff},
};

/// PEFT writes an adapter's name there: .lora_A.default.weight
constexpr Ending kNamedAdapters[] = {{".lora_A.", LoraPart::kDown}, {".lora_B.", LoraPart::kUp}};

/// With underscores. None is the beginning of a name of the model's own.
constexpr std::string_view kBeginnings[] = {"base_model_", "diffusion_model_", "transformer_",
                                            "lora_unet_",  "lora_transformer_", "unet_",
                                            "module_",     "model_",            "_"};

struct Renamed {
  std::string_view theirs, ours;
};

/// Of a block, as diffusers has it.
constexpr Renamed kBlockLayers[] = {
    {"attn1_to_q", "self_attn_q"},       {"attn1_to_k", "self_attn_k"},
    {"attn1_to_v", "self_attn_v"},       {"attn1_to_out_0", "self_attn_o"},
    {"attn1_norm_q", "self_attn_norm_q"}, {"attn1_norm_k", "self_attn_norm_k"},
    {"attn2_to_q", "cross_attn_q"},      {"attn2_to_k", "cross_attn_k"},
    {"attn2_to_v", "cross_attn_v"},      {"attn2_to_out_0", "cross_attn_o"},
    {"attn2_norm_q", "cross_attn_norm_q"}, {"attn2_norm_k", "cross_attn_norm_k"},
    {"ffn_net_0_proj", "ffn_0"},         {"ffn_net_2", "ffn_2"},
    {"norm2", "norm3"},  // Wan's own norm2 has no weights
    {"scale_shift_table", "modulation"},
};

/// Outside of blocks.
constexpr Renamed kOtherLayers[] = {
    {"condition_embedder_text_embedder_linear_1", "text_embedding_0"},
    {"condition_embedder_text_embedder_linear_2", "text_embedding_2"},
    {"condition_embedder_time_embedder_linear_1", "time_embedding_0"},
    {"condition_embedder_time_embedder_linear_2", "time_embedding_2"},
    {"condition_embedder_time_proj", "time_projection_1"},
    {"proj_out", "head_head"},
    {"scale_shift_table", "head_modulation"},
};

std::string underscored(std::string_view name) {
  std::string flat(name);
  std::replace(flat.begin(), flat.end(), '.', '_');
  return flat;
}

std::string_view without_beginnings(std::string_view name) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view beginning : kBeginnings) {
      if (!name.starts_with(beginning)) continue;
      name.remove_prefix(beginning.size());
      found = true;
    }
  }
  return name;
}

template <size_t N>
std::string renamed(std::string_view name, const Renamed (&names)[N]) {
  for (const Renamed& one : names) {
    if (name == one.theirs) return std::string(one.ours);
  }
  return std::string(name);
}

/// Below its tower, as the model has it.
std::string own_name(std::string_view layer) {
  if (layer.starts_with(kBlocks)) {
    const size_t number = kBlocks.size();
    const size_t end = layer.find('_', number);
    if (end != std::string_view::npos) {
      return std::string(layer.substr(0, end + 1)) + renamed(layer.substr(end + 1), kBlockLayers);
    }
  }
  return renamed(layer, kOtherLayers);
}

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

}  // namespace

std::optional<LoraKey> read_lora_key(std::string_view name) {
  for (const Ending& ending : kEndings) {
    if (name.size() > ending.text.size() && name.ends_with(ending.text)) {
      return LoraKey{std::string(name.substr(0, name.size() - ending.text.size())), ending.part};
    }
  }
  constexpr std::string_view kWeight = ".weight";
  for (const Ending& adapter : kNamedAdapters) {
    const size_t at = name.rfind(adapter.text);
    if (at == std::string_view::npos || at == 0 || !name.ends_with(kWeight)) continue;
    const size_t begin = at + adapter.text.size();
    if (begin + kWeight.size() >= name.size()) continue;
    const std::string_view own = name.substr(begin, name.size() - kWeight.size() - begin);
    if (!contains(own, ".")) return LoraKey{std::string(name.substr(0, at)), adapter.part};
  }
  return std::nullopt;
}

const char* other_adapter(std::string_view name) {
  if (name.ends_with(".dora_scale") || contains(name, ".lora_magnitude_vector")) return "DoRA";
  if (contains(name, ".lokr_")) return "LoKr";
  if (contains(name, ".hada_")) return "LoHa";
  if (contains(name, ".lora_mid.")) return "LoCon";
  return nullptr;
}

LoraTargets::LoraTargets(const TensorSource& model) {
  for (const TensorInfo& info : model.tensors()) tensors_.emplace(underscored(info.name), &info);
}

const TensorInfo* LoraTargets::with_underscores(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

const TensorInfo* LoraTargets::find(const LoraKey& key) const {
  const std::string flat = underscored(key.layer);
  std::string_view below = without_beginnings(flat);
  std::string_view tower = kVideo;
  for (const std::string_view one : {kVideo, kAudio}) {
    if (!below.starts_with(one)) continue;
    tower = one;
    below.remove_prefix(one.size());
    break;
  }
  const std::string layer = std::string(tower) + own_name(without_beginnings(below));
  // A block's modulation is a module of its own here, a tensor of the block elsewhere.
  const auto first_of = [&](std::initializer_list<const char*> ends) -> const TensorInfo* {
    for (const char* end : ends) {
      if (const TensorInfo* found = with_underscores(layer + end)) return found;
    }
    return nullptr;
  };
  switch (key.part) {
    case LoraPart::kDown:
    case LoraPart::kUp:
    case LoraPart::kAlpha:
      return first_of({"_weight"});
    case LoraPart::kUpBias:
    case LoraPart::kBiasDiff:
      return first_of({"_bias"});
    case LoraPart::kDiff:
      return first_of({"_weight", "", "_modulation"});
    case LoraPart::kModulationDiff:
      return first_of({"_modulation", "_modulation_modulation"});
  }
  return nullptr;
}

}  // namespace ovi
