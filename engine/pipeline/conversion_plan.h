// What each tensor of a model becomes in a converted file: the rules of precision.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "pipeline/loaded_model.h"
#include "weights/tensor_source.h"

namespace ovi {

enum class StoredAs { kBf16, kFp32, kFp8, kAsStored };

/// "bf16", "fp32", "fp8", "stored".
const char* stored_as_name(StoredAs stored);

/// How many factors a matrix of 8-bit floats gets: one for each output, or one.
enum class Factors { kRow, kTensor };

/// In what the engine computes when it uses what is stored so: what it asks for then is what has
/// to be kept.
Arithmetic arithmetic_for(StoredAs stored);

struct PlannedTensor {
  TensorInfo source;
  at::ScalarType dtype;
  /// Becomes 8-bit floats; their factors are a tensor of their own, factors_name() of it.
  bool float8 = false;
  bool needed = false;  ///< a part of the model uses it
};

/// X.weight -> X.scale_weight
std::string factors_name(const std::string& weight);

/// `asked` by all parts that use the file, under arithmetic_for(stored).
///
/// kFp32: every floating-point tensor is float32. kAsStored: nothing changes. kBf16: each is of
/// the type that the engine asks for when it computes in bfloat16, so that it computes the same to
/// the bit: bfloat16 for nearly all of transformer and text encoder, float32 for what it keeps
/// exact (norms of the video VAE, its encoder, all of the sound); what no part asks for stays as
/// it is, and nothing gets wider than bfloat16 by it. kFp8: the same, with the matrices of the
/// transformer that the engine multiplies in 8 bits, and those of the text encoder's blocks
/// (`text_encoder`), as 8-bit floats with float32 factors. Matrices that are of unscaled 8-bit
/// floats already stay so.
std::vector<PlannedTensor> plan_tensors(const TensorSource& file,
                                        const std::vector<const LoadedModel::PartManifest*>& asked,
                                        StoredAs stored, bool text_encoder);

}  // namespace ovi
