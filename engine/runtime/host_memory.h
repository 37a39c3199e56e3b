// How much memory of the host this process may still take.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "runtime/device.h"

namespace ovi {

/// Bytes of the host. Free is what can be had without swapping, as the kernel estimates it
/// (MemAvailable), and no more than what the control groups of this process leave: in a
/// container the machine's memory is not the process's. Total likewise. Group files are
/// those of the kernel's cgroup-v2.rst and cgroup-v1/memory.rst; a group's page cache
/// counts as free. `root` is where proc/ and sys/ lie.
DeviceMemory host_memory(const std::filesystem::path& root = "/");

/// Highest resident set of this process so far.
uint64_t peak_host_bytes();

}  // namespace ovi
