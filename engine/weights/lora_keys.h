// What the tensors of a LoRA file are called, by the programs that write them, and which of the
// model's tensors they mean.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weights/tensor_source.h"

namespace ovi {

/// What a tensor of a LoRA is to its layer.
enum class LoraPart {
  kDown,            ///< [rank, in]: lora_A, lora_down
  kUp,              ///< [out, rank]: lora_B, lora_up
  kUpBias,          ///< [out], scaled as the product is
  kAlpha,           ///< one number; the product's factor is alpha / rank
  kDiff,            ///< the difference of the weight itself
  kBiasDiff,        ///< of the bias
  kModulationDiff,  ///< of the modulation
};

struct LoraKey {
  std::string layer;  ///< as the file writes it
  LoraPart part;
};

/// By the ends of names: .lora_A.weight, .lora_A.ADAPTER.weight, .lora_down.weight,
/// .lora.down.weight, their other halves, .lora_B.bias, .alpha, .diff, .diff_b, .diff_m. Nothing
/// for any other name.
std::optional<LoraKey> read_lora_key(std::string_view name);

/// The kind of adapter that a tensor of this name belongs to, where that is another than a
/// LoRA: "DoRA", "LoKr", "LoHa", "LoCon"; else nullptr.
const char* other_adapter(std::string_view name);

/// Finds the model's tensors by what LoRA files call its layers: as Ovi and Wan do, with dots or
/// with underscores (kohya), or as diffusers' WanTransformer3DModel does, after any of the usual
/// beginnings (diffusion_model., transformer., base_model.model., lora_unet_, ...).
class LoraTargets {
 public:
  explicit LoraTargets(const TensorSource& model);

  /// nullptr: the model has no such tensor. A layer of no tower ("video_model.",
  /// "audio_model.") is the video's.
  const TensorInfo* find(const LoraKey& key) const;

 private:
  const TensorInfo* with_underscores(const std::string& name) const;

  std::unordered_map<std::string, const TensorInfo*> tensors_;  // by names with underscores
};

}  // namespace ovi
