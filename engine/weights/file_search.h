// The weight files below some folders, found within bounds.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace ovi {

struct FoundFiles {
  std::vector<std::string> weights;     ///< .safetensors, .pth, ..., and indexes of shards
  std::vector<std::string> tokenizers;  ///< spiece.model
  std::string stopped;                  ///< a sentence when there is more than was looked at
};

/// Looks below `roots`, folders or files, in the order of names; a file is taken whatever it is
/// called. Hidden ones are skipped. Follows links, each folder once, so that a link to a folder
/// above ends. At most 8 folders deep, 5,000 entries of a folder, 50,000 of all, and 1,000 weight
/// files: a second on a slow disk. What may not be read is skipped.
FoundFiles find_weight_files(const std::vector<std::string>& roots);

}  // namespace ovi
