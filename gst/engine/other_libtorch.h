// Whether the process already has a LibTorch that the engine cannot live with.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/engine_file.h"

namespace ovii2v {

/// Two versions of LibTorch in one process share what C++ makes unique in it and find each
/// other's symbols, and it crashes at some later point. What is loaded (by an application, or
/// by `import torch`) is therefore compared with what the engine `file` would load: the same
/// build or release is shared by the dynamic linker.
/// Returns an empty string when all is well, or a message for the user: which, where, the way
/// out. An engine that needs no LibTorch goes with any.
std::string other_libtorch(const EngineFile& file);

}  // namespace ovii2v
