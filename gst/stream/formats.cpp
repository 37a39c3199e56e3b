// From times to frames, samples and bytes of a pad's stream, and back.
// SPDX-License-Identifier: Apache-2.0
#include "stream/formats.h"

#include <gst/audio/audio.h>
#include <gst/video/video.h>

namespace ovii2v {

Units units_of(Kind kind, const GstCaps* caps) {
  if (kind == Kind::kVideo) {
    GstVideoInfo info;
    return {24, caps && gst_video_info_from_caps(&info, caps) ? GST_VIDEO_INFO_SIZE(&info) : 0};
  }
  GstAudioInfo info;
  const bool known = caps && gst_audio_info_from_caps(&info, caps);
  return {16000, known ? static_cast<uint64_t>(GST_AUDIO_INFO_BPF(&info)) : 0};
}

std::optional<gint64> convert(const Units& units, GstFormat from, gint64 value, GstFormat to) {
  const auto known = [&](GstFormat format) {
    return format == GST_FORMAT_TIME || format == GST_FORMAT_DEFAULT ||
           (format == GST_FORMAT_BYTES && units.bytes);
  };
  if (!known(from) || !known(to) || value < -1) return std::nullopt;
  if (value == -1 || from == to) return value;
  guint64 unit = static_cast<guint64>(value);
  if (from == GST_FORMAT_BYTES) unit /= units.bytes;
  // Timestamps are rounded down, and belong to the unit all the same.
  if (from == GST_FORMAT_TIME)
    unit = gst_util_uint64_scale_ceil(unit + 1, units.rate, GST_SECOND) - 1;
  guint64 result = unit;
  if (to == GST_FORMAT_BYTES) result = gst_util_uint64_scale(unit, units.bytes, 1);
  if (to == GST_FORMAT_TIME) result = gst_util_uint64_scale(unit, GST_SECOND, units.rate);
  if (result > static_cast<guint64>(G_MAXINT64)) return std::nullopt;
  return static_cast<gint64>(result);
}

}  // namespace ovii2v
