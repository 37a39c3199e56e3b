// From times to frames, samples and bytes of a pad's stream, and back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>

#include "stream/timeline.h"

namespace ovii2v {

/// Units are frames or samples (GST_FORMAT_DEFAULT).
struct Units {
  uint64_t rate;       // per second
  uint64_t bytes = 0;  // of one; 0 while the caps are not agreed on
};

/// `caps` may be null.
Units units_of(Kind kind, const GstCaps* caps);

/// A time within a unit is that unit; nothing for formats that are not known (yet), for negative
/// values but -1 (unknown, and stays so), and for what is too large.
std::optional<gint64> convert(const Units& units, GstFormat from, gint64 value, GstFormat to);

}  // namespace ovii2v
