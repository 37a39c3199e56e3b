// The first frame of a film, by GStreamer's demuxers and decoders.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "still.h"

namespace ovii2v::picture {

/// `input` is a regular file. Only containers and streams that hold their frames themselves:
/// nothing that a file names is opened. Ends within `seconds` of time that passes. Throws
/// std::bad_alloc only. Its threads may go on: the process is to end by _exit().
Decoded decode_film(int input, const Limits& limits, uint64_t seconds);

}  // namespace ovii2v::picture
