// What the process gives up before it looks at a picture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovii2v::picture {

/// All of these: false when the system refuses a part of it. Then no picture is looked at.

/// Seconds of processor time, bytes of data (RLIMIT_DATA, but for sanitizers); no core files, no
/// files written, no new privileges; and it dies with the thread that started it.
[[nodiscard]] bool limit_process(uint64_t seconds, uint64_t memory);

/// From here on nothing can be opened, connected or started: what a still picture's decoder needs
/// is memory, threads and the descriptors that are open. Sanitizers need more: with them nothing
/// changes.
[[nodiscard]] bool close_doors();

/// For films, whose decoders are loaded as they are needed: no sockets, no programs, and nothing
/// renamed or removed.
[[nodiscard]] bool close_network();

}  // namespace ovii2v::picture
