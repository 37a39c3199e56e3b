// Independent pieces of work on a few threads.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

namespace ovi {

/// Runs task(0) .. task(count - 1) on at most `threads` threads, each in inference mode.
/// `done` (may be empty) is called here, on the calling thread, with each index that ended.
/// Once a task or `done` throws, no further task begins, and the first exception is thrown
/// when all that run have ended.
void run_tasks(size_t count, size_t threads, const std::function<void(size_t)>& task,
               const std::function<void(size_t)>& done = {});

}  // namespace ovi
