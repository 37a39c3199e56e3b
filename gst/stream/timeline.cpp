// Which frame and sample of which clip comes when: index arithmetic, no clocks.
// SPDX-License-Identifier: Apache-2.0
#include "stream/timeline.h"

#include <gst/gst.h>

#include <algorithm>

namespace ovii2v {

uint64_t Timeline::origin(Kind kind, uint64_t clip) const {
  const uint64_t frame = clip * period();
  if (kind == Kind::kVideo) return frame;
  return gst_util_uint64_scale_round(frame, sample_rate, frame_rate);
}

uint64_t Timeline::first(Kind kind, uint64_t clip) const {
  return origin(kind, clip) + (kind == Kind::kVideo && clip && drops());
}

uint64_t Timeline::end(Kind kind, uint64_t clip) const {
  if (clips && clip + 1 == clips) return origin(kind, clip) + length(kind);
  return first(kind, clip + 1);
}

uint64_t Timeline::clip_of(Kind kind, uint64_t unit) const {
  uint64_t clip = kind == Kind::kVideo
                      ? unit / period()
                      : gst_util_uint64_scale(unit, frame_rate, period() * sample_rate);
  // The estimate is off by one at most: sounds begin at rounded samples, and the
  // first frame may be left out.
  if (clip && first(kind, clip) > unit) --clip;
  if (first(kind, clip + 1) <= unit) ++clip;
  return clips ? std::min(clip, clips - 1) : clip;
}

uint64_t Timeline::units(Kind kind) const { return clips ? end(kind, clips - 1) : kEndless; }

}  // namespace ovii2v
