// How a new safetensors file is laid out: its header, and the order of the tensors' bytes after
// it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

struct SafetensorsLayout {
  std::string header;               ///< with the eight bytes of its length; a whole number of pages
  std::vector<TensorInfo> tensors;  ///< in the order of their bytes, which follow without gaps
  uint64_t bytes = 0;               ///< of the whole file
};

/// Elements of a tensor, and bytes. The shape has to be one that memory or a file holds.
int64_t elements_of(const TensorInfo& tensor);
uint64_t bytes_of(const TensorInfo& tensor);

/// The format has no gaps between tensors, so the order gives the alignment: a tensor whose bytes
/// are a multiple of 64 begins at a multiple of 64 bytes in the file, and so in a mapping of it;
/// any other (single values, short filters) comes after those, at a multiple of the largest power
/// of two in its own bytes, which is never less than an element. Tensors of one kind keep their
/// order. Throws Error(kFormat) for a dtype that the format does not have.
SafetensorsLayout lay_out(std::vector<TensorInfo> tensors,
                          const std::map<std::string, std::string>& metadata);

}  // namespace ovi
