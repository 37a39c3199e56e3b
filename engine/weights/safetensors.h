// The safetensors format (huggingface/safetensors, README "Format"): eight bytes
// of header length, a JSON header, then the tensors' bytes without gaps.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "weights/mapped_file.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Throws Error kRead (truncated) or kFormat (the header does not keep to the
/// format), naming the file and the tensor.
std::shared_ptr<TensorSource> read_safetensors(std::shared_ptr<const MappedFile> file);

}  // namespace ovi
