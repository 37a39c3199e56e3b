// What a clip is about to become, as an element message.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include "ovi/engine.h"

namespace ovii2v {

/// "ovii2v-preview" of clip `clip` (from 0), which begins at `running_time` (GST_CLOCK_TIME_NONE:
/// not known yet), with a copy of the picture as a sample. The caller frees it; null where the
/// picture is not what engine.h promises. Throws std::bad_alloc.
GstStructure* preview_message(uint64_t clip, GstClockTime running_time, const ovi_preview& preview);

}  // namespace ovii2v
