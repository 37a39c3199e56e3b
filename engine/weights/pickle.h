// The state dict inside a torch file: a pickle read as data. Python's pickle is
// a small stack machine (pickletools.py documents every instruction); this one
// knows the instructions and the handful of names that torch.save writes for
// tensors in dictionaries, and refuses all others. Nothing in a pickle is run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::pickle {

/// A tensor as the pickle describes it. Nothing is checked against the file yet.
struct Tensor {
  std::string name;  ///< dictionary keys joined with '.'
  at::ScalarType dtype;
  std::string storage;           ///< key of its storage: record data/<key>
  uint64_t storage_bytes = 0;    ///< what the pickle says the storage holds
  uint64_t offset = 0;           ///< elements into the storage
  std::vector<int64_t> shape;    ///< elements
  std::vector<int64_t> strides;  ///< elements
};

/// The largest pickle that is read; names and shapes alone take far less.
inline constexpr size_t kMaxBytes = size_t{16} << 20;

/// Every tensor below the top dictionary, in order; what is no tensor or
/// dictionary is left out. `path` is for messages. Throws Error kRead (it ends
/// too early) or kFormat (an unknown name or instruction, nesting without end,
/// no dictionary at the top).
std::vector<Tensor> read_state_dict(std::string_view bytes, const std::string& path);

}  // namespace ovi::pickle
