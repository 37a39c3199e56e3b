// What the element tells of a clip that it made: tags, statistics, the message of its begin.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include "ovi/engine.h"

namespace ovii2v {

/// The tags of both pads: the record as the comment, which MP4, QuickTime, Matroska, WebM and AVI
/// keep, and what people read. The caller unrefs them.
GstTagList* clip_tags(const GstStructure* record);

/// "ovii2v-stats": what #GstOvii2vSrc:stats holds; the record's names too, where what was asked
/// for differs from what was done as "asked-...". The caller frees it.
GstStructure* stats_structure(const GstStructure* record, const ovi_plan& plan,
                              const ovi_stats& stats);

/// Where in the stream a clip begins, and for how long it is; GST_CLOCK_TIME_NONE is unknown.
struct ClipTimes {
  GstClockTime running_time, stream_time, timestamp, duration;
};

/// "ovii2v-clip"; `repeat`: it was begun before. The caller frees it.
GstStructure* clip_message(const GstStructure* record, const ClipTimes& times, bool repeat);

}  // namespace ovii2v
