// What torch.save has written since torch 1.6: a zip of a pickle (data.pkl) and
// one uncompressed record for each tensor storage (data/KEY).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "weights/mapped_file.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Throws Error kRead (truncated, damaged) or kFormat (not a state dict).
std::shared_ptr<TensorSource> read_torch_zip(std::shared_ptr<const MappedFile> file);

}  // namespace ovi
