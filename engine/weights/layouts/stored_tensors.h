// Values and scales: which entries of a weight file together are one tensor.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

/// One tensor as a file stores it.
struct StoredTensor {
  std::string name;   ///< without what says that its values are quantised ("X.weight")
  TensorInfo values;  ///< as in the file ("X.weight._data")
  std::string scale;  ///< the entry that its values are to be multiplied with; empty: none
};

/// The tensors of a file, in its order. Knows two ways of storing scales: `X.scale_weight`, also
/// called `X.weight_scale`, beside `X.weight` (ComfyUI), and `X.weight._scale` beside
/// `X.weight._data` (quanto). What another program keeps for itself is left out: scales of
/// activations, `scaled_fp8`, `comfy_quant`, `spiece_model`. Looks at names and dtypes only.
/// Throws Error(kFormat) naming file and tensor for 8-bit integers without a scale.
std::vector<StoredTensor> stored_tensors(const TensorSource& source);

}  // namespace ovi
