// One LoRA file, held against the model that it is to change.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

/// A LoRA as somebody asks for it.
struct Lora {
  std::string path;
  double strength = 1;  ///< what it adds is multiplied by it; -10 to 10
};

/// What a file adds to one tensor: factor * up @ down, or factor * values.
struct LoraDelta {
  std::shared_ptr<const TensorSource> file;
  std::string down, up;  ///< in the file: [rank, ...], [out, rank]
  int64_t rank = 0;
  std::string values;  ///< in the file, as many as the tensor has; instead of the two
  float factor = 0;    ///< strength, times alpha / rank of a product
};

struct LoraFile {
  std::map<std::string, std::vector<LoraDelta>> deltas;  ///< by the model's tensor
  std::string warning;  ///< a sentence on what of it fits nothing; empty: all does
};

/// Reads names, shapes and alphas, no other values. Throws Error: as open_tensors(), naming the
/// file as a LoRA; kSettings for a strength that is out of range; kFormat for another kind of
/// adapter, halves that do not belong together, a rank of 0 or above 2048, integers, an alpha
/// that is no number, and where nothing at all fits the model.
LoraFile read_lora(const Lora& lora, const TensorSource& model);

}  // namespace ovi
