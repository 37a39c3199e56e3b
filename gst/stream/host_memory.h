// Memory whose size a user has a say in: where there is none, that is an error and not the end of
// the process, as with GLib's and GStreamer's own allocation.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <string>

#include "messages.h"

namespace ovii2v {

/// `bytes` that nothing is written to yet. Throws std::bad_alloc.
GstBuffer* new_host_buffer(size_t bytes);

/// For what follows inside of GStreamer, which ends the process where it gets no memory. Throws
/// std::bad_alloc where `bytes` cannot be had now.
void expect_host_memory(size_t bytes);

/// What the converter takes for lines of pictures of these widths, at most.
size_t converter_bytes(size_t from_width, size_t to_width);

/// RESOURCE NO_SPACE_LEFT, while `what` was made.
Failure out_of_host_memory(const std::string& what);

/// RESOURCE FAILED: the system gives no thread for `what`.
Failure out_of_threads(const std::string& what);

}  // namespace ovii2v
