// SPDX-License-Identifier: Apache-2.0
#include "weights/layouts/file_parts.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ovi {
namespace {

constexpr int64_t kVideoChannels = 48, kAudioChannels = 20;  // of a latent
constexpr int64_t kMelBands = 80;

constexpr char kFusionLayer[] = "blocks.0.cross_attn.k_fusion.weight";
constexpr char kT5Query[] = "encoder.block.0.layer.0.SelfAttention.q.weight";

class Names {
 public:
  explicit Names(const std::vector<StoredTensor>& tensors) {
    for (const StoredTensor& tensor : tensors) by_name_.emplace(tensor.name, &tensor);
  }
  bool has(const std::string& name) const { return by_name_.contains(name); }
  /// 0 where there is no such tensor, or no such dimension.
  int64_t size(const std::string& name, size_t dim) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || dim >= found->second->values.shape.size()) return 0;
    return found->second->values.shape[dim];
  }

 private:
  std::unordered_map<std::string, const StoredTensor*> by_name_;
};

size_t rank(const StoredTensor& tensor) { return tensor.values.shape.size(); }

/// UMT5 has a table of positions in each block; T5 has the first alone.
bool every_block_has_positions(const Names& names, const std::string& prefix) {
  const auto table = [&](const char* block) {
    return names.has(prefix + "encoder.block." + block +
                     ".layer.0.SelfAttention.relative_attention_bias.weight");
  };
  const bool one_block = !names.has(prefix + "encoder.block.1.layer.0.SelfAttention.q.weight");
  return table("0") && (one_block || table("1"));
}

/// How many bands the vocoder's first convolution takes, in any form of weight norm.
int64_t mel_bands(const Names& names, const std::string& prefix) {
  for (const char* weight : {"weight", "weight_v", "parametrizations.weight.original1"}) {
    const int64_t bands = names.size(prefix + "conv_pre." + weight, 1);
    if (bands > 0) return bands;
  }
  return 0;
}

/// A part shows itself by one tensor, and by others around it.
struct Mark {
  Part part;
  const char* name;
  bool (*fits)(const StoredTensor& tensor, const Names& names, const std::string& prefix);
};

const Mark kMarks[] = {
    {Part::kVideoHalf, "patch_embedding.weight",
     [](const StoredTensor& tensor, const Names& names, const std::string& prefix) {
       return rank(tensor) == 5 && names.has(prefix + kFusionLayer);
     }},
    {Part::kAudioHalf, "patch_embedding.0.weight",
     [](const StoredTensor& tensor, const Names& names, const std::string& prefix) {
       return rank(tensor) == 3 && names.has(prefix + kFusionLayer);
     }},
    {Part::kTextEncoder, "token_embedding.weight",
     [](const StoredTensor&, const Names& names, const std::string& prefix) {
       return names.has(prefix + "blocks.0.attn.q.weight") &&
              names.has(prefix + "blocks.0.pos_embedding.embedding.weight");
     }},
    {Part::kTextEncoder, kT5Query,
     [](const StoredTensor&, const Names& names, const std::string& prefix) {
       return every_block_has_positions(names, prefix);
     }},
    {Part::kVideoVae, "decoder.conv1.weight",
     [](const StoredTensor& tensor, const Names&, const std::string&) {
       return rank(tensor) == 5 && tensor.values.shape[1] == kVideoChannels;
     }},
    {Part::kAudioVae, "decoder.conv_in.weight",
     [](const StoredTensor& tensor, const Names&, const std::string&) {
       return rank(tensor) == 3 && tensor.values.shape[1] == kAudioChannels;
     }},
    {Part::kVocoder, "conv_pre.bias",
     [](const StoredTensor&, const Names& names, const std::string& prefix) {
       return mel_bands(names, prefix) == kMelBands && names.has(prefix + "ups.0.0.bias");
     }},
    {Part::kPreviewDecoder, "decoder.1.weight",
     [](const StoredTensor& tensor, const Names& names, const std::string& prefix) {
       return rank(tensor) == 4 && tensor.values.shape[1] == kVideoChannels &&
              names.has(prefix + "decoder.3.conv.0.weight");
     }},
    // Its larger variant.
    {Part::kPreviewDecoder, "decoder.0.weight",
     [](const StoredTensor& tensor, const Names& names, const std::string& prefix) {
       return rank(tensor) == 4 && tensor.values.shape[1] == kVideoChannels &&
              names.has(prefix + "decoder.1.conv.0.weight");
     }},
};

std::optional<std::string> t5_reference_name(const std::string& name) {
  static const std::vector<std::pair<std::string, std::string>> kAlone = {
      {"shared.weight", "token_embedding.weight"},
      {"encoder.embed_tokens.weight", "token_embedding.weight"},
      {"encoder.final_layer_norm.weight", "norm.weight"},
  };
  static const std::vector<std::pair<std::string, std::string>> kInBlocks = {
      {"layer.0.layer_norm.weight", "norm1.weight"},
      {"layer.0.SelfAttention.q.weight", "attn.q.weight"},
      {"layer.0.SelfAttention.k.weight", "attn.k.weight"},
      {"layer.0.SelfAttention.v.weight", "attn.v.weight"},
      {"layer.0.SelfAttention.o.weight", "attn.o.weight"},
      {"layer.0.SelfAttention.relative_attention_bias.weight", "pos_embedding.embedding.weight"},
      {"layer.1.layer_norm.weight", "norm2.weight"},
      {"layer.1.DenseReluDense.wi_0.weight", "ffn.gate.0.weight"},
      {"layer.1.DenseReluDense.wi_1.weight", "ffn.fc1.weight"},
      {"layer.1.DenseReluDense.wo.weight", "ffn.fc2.weight"},
  };
  for (const auto& [theirs, ours] : kAlone) {
    if (name == theirs) return ours;
  }
  constexpr std::string_view kBlock = "encoder.block.";
  if (!name.starts_with(kBlock)) return std::nullopt;
  const size_t dot = name.find('.', kBlock.size());
  if (dot == std::string::npos) return std::nullopt;
  const std::string number = name.substr(kBlock.size(), dot - kBlock.size());
  for (const auto& [theirs, ours] : kInBlocks) {
    if (name.compare(dot + 1, std::string::npos, theirs) == 0) {
      return "blocks." + number + "." + ours;
    }
  }
  return std::nullopt;
}

/// Wan's own block keeps its modulation as a parameter, Ovi's in a module of that name.
std::string backbone_name(const std::string& name) {
  constexpr std::string_view kBlocks = "blocks.", kModulation = ".modulation";
  if (!name.starts_with(kBlocks) || !name.ends_with(kModulation)) return name;
  const std::string_view number(name.data() + kBlocks.size(),
                                name.size() - kBlocks.size() - kModulation.size());
  const bool parameter = !number.empty() && number.find('.') == std::string_view::npos;
  return parameter ? name + std::string(kModulation) : name;
}

}  // namespace

Component component_of(Part part) {
  switch (part) {
    case Part::kVideoHalf:
    case Part::kAudioHalf:
      return Component::kFusion;
    case Part::kTextEncoder:
      return Component::kTextEncoder;
    case Part::kVideoVae:
      return Component::kVideoVae;
    case Part::kAudioVae:
      return Component::kAudioVae;
    case Part::kPreviewDecoder:
      return Component::kPreviewDecoder;
    case Part::kVocoder:
      break;
  }
  return Component::kVocoder;
}

std::vector<FilePart> parts_of(const std::vector<StoredTensor>& tensors) {
  const Names names(tensors);
  std::vector<FilePart> parts;
  for (const StoredTensor& tensor : tensors) {
    for (const Mark& mark : kMarks) {
      const std::string_view name = mark.name;
      if (!tensor.name.ends_with(name)) continue;
      const std::string prefix = tensor.name.substr(0, tensor.name.size() - name.size());
      if (!prefix.empty() && prefix.back() != '.') continue;
      const bool known = std::any_of(parts.begin(), parts.end(),
                                     [&](const FilePart& part) { return part.part == mark.part; });
      if (!known && mark.fits(tensor, names, prefix)) parts.push_back({mark.part, prefix});
    }
  }
  return parts;
}

std::optional<std::string> reference_name(Part part, const std::string& name) {
  switch (part) {
    case Part::kVideoHalf:
      return "video_model." + backbone_name(name);
    case Part::kAudioHalf:
      return "audio_model." + backbone_name(name);
    case Part::kTextEncoder: {
      const bool transformers = name.starts_with("encoder.") || name.starts_with("decoder.") ||
                                name == "shared.weight" || name == "lm_head.weight";
      return transformers ? t5_reference_name(name) : name;
    }
    case Part::kVideoVae:
    case Part::kAudioVae:
    case Part::kPreviewDecoder:
      return name;
    case Part::kVocoder:
      break;
  }
  return "generator." + name;
}

}  // namespace ovi
