// What the process gives up before it looks at a picture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovii2v::picture {

/// Seconds of processor time, bytes of data (RLIMIT_DATA); no core files, no files written, no new
/// privileges; and it dies with the process that started it.
void limit_process(uint64_t seconds, uint64_t memory);

/// From here on nothing can be opened, connected or started: what a still picture's decoder needs
/// is memory, threads and the descriptors that are open. Where the kernel has no seccomp, or a
/// sanitizer needs more, nothing changes.
void close_doors();

/// For films, whose decoders are loaded as they are needed: no sockets, no programs, and nothing
/// renamed or removed.
void close_network();

}  // namespace ovii2v::picture
