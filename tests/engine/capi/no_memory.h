// Host memory, mappings and threads that a process is refused, one by one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovi::no_memory {

/// From now on the `nth` (from 1) allocation or mapping of 64 KiB or more fails, and with
/// `and_all_after` every later one; 0: none, they are counted only.
void refuse_memory(int64_t nth, bool and_all_after = false);

/// From now on no more than `most` new threads live at the same time.
void refuse_threads(int64_t most);

/// Everything is given again. Returns how many requests of memory there were, or how many of the
/// new threads lived at the same time.
int64_t stop();

/// Whether one has been refused since.
bool refused();

}  // namespace ovi::no_memory
