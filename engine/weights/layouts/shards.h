// A model in several files, with an index that names them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi {

/// By its name: "*.index.json".
bool is_shard_index(const std::string& path);

/// Paths of the files that the index names, each once. Throws Error(kFormat) that names the index
/// for one without "weight_map", for more than 256 files, and for a file that lies outside of its
/// folder: an absolute path, or one with "..". Else as read_json().
std::vector<std::string> shards_of(const std::string& index_path);

/// The tensors that the index names, as one. Throws as shards_of() and open_tensors(), and
/// Error(kFormat) for a tensor that its shard does not hold.
std::shared_ptr<const TensorSource> open_shards(const std::string& index_path);

/// The files that a component's path stands for: the index and its shards, else itself.
std::vector<std::string> weight_files(const std::string& path);

}  // namespace ovi
