// ovii2v-worker --join: this process is one of the ranks that make a clip together.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace ovii2v::worker {

/// With the words after --join. Until rank 0 ends, or SIGTERM or SIGINT comes; what goes wrong is
/// said on stderr. The exit status.
int join(const std::vector<std::string>& words);

}  // namespace ovii2v::worker
