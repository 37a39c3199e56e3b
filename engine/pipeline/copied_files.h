// What a model folder holds beside weights.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "weights/model_folder.h"

namespace ovi {

struct CopiedFile {
  std::string relative;  ///< to the folder that it goes to
  std::string source;
  std::string bytes;
};

/// The tokenizer (with its tokenizer.json and configuration, where other programs' are beside it),
/// ovi.json (without a variant that it names and that is not the folder's), acceleration.json, and
/// the preview decoder as it is, where its file is no larger than it has to be.
/// Throws Error as MappedFile does, and kFormat for one of more than 64 MiB.
std::vector<CopiedFile> files_beside_weights(const ModelFolder& folder);

}  // namespace ovi
