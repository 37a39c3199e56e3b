// Queries on the pads and the element. The rest of Source.
// SPDX-License-Identifier: Apache-2.0
#include "source.h"
#include "stream/caps.h"
#include "stream/formats.h"

namespace ovii2v {
namespace {

/// In time, in the pad's own units (frames, samples), or in bytes once the caps are known.
bool in_format(const Stream& stream, GstFormat format, GstClockTime time, uint64_t units,
               gint64& value) {
  if (format == GST_FORMAT_TIME) {
    value = static_cast<gint64>(time);
    return true;
  }
  const auto converted = convert(units_of(stream.kind(), stream.caps()), GST_FORMAT_DEFAULT,
                                 static_cast<gint64>(units), format);
  value = converted.value_or(-1);
  return converted.has_value();
}

}  // namespace

bool Source::query(Stream& stream, GstQuery* query) {
  std::unique_lock held(lock);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_DURATION: {
      GstFormat format;
      gint64 value;
      gst_query_parse_duration(query, &format, nullptr);
      if (!reel.planned() || run.is_live || reel.timeline().clips == 0 ||
          !in_format(stream, format, reel.duration(stream.kind()),
                     reel.timeline().units(stream.kind()), value))
        return false;
      gst_query_set_duration(query, format, value);
      return true;
    }
    case GST_QUERY_POSITION: {
      GstFormat format;
      gint64 value;
      gst_query_parse_position(query, &format, nullptr);
      if (!running ||
          !in_format(stream, format, stream.position() + live.offset(), stream.next_unit(), value))
        return false;
      gst_query_set_position(query, format, value);
      return true;
    }
    case GST_QUERY_SEEKING: {
      GstFormat format;
      gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
      const bool seekable = format == GST_FORMAT_TIME && (running ? run : settings).seekable();
      gst_query_set_seeking(query, format, seekable, 0,
                            seekable && reel.planned() ? static_cast<gint64>(reel.duration()) : -1);
      return true;
    }
    case GST_QUERY_SEGMENT: {
      const GstFormat format = segment.format;
      const gint64 start = gst_segment_to_stream_time(&segment, format, segment.start);
      const gint64 stop = GST_CLOCK_TIME_IS_VALID(segment.stop)
                              ? gst_segment_to_stream_time(&segment, format, segment.stop)
                              : static_cast<gint64>(segment.duration);
      gst_query_set_segment(query, segment.rate, format, start, stop);
      return true;
    }
    case GST_QUERY_LATENCY:
      // The time a generation takes is no latency: nothing is late by it.
      gst_query_set_latency(query, (running ? run : settings).is_live,
                            (running ? run : settings).is_live ? Stream::kFrame : 0,
                            GST_CLOCK_TIME_NONE);
      return true;
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling(query,
                               (running ? run : settings).seekable()
                                   ? GST_SCHEDULING_FLAG_SEEKABLE
                                   : GST_SCHEDULING_FLAG_SEQUENTIAL,
                               1, -1, 0);
      gst_query_add_scheduling_mode(query, GST_PAD_MODE_PUSH);
      return true;
    case GST_QUERY_CONVERT: {
      GstFormat from, to;
      gint64 value;
      gst_query_parse_convert(query, &from, &value, &to, nullptr);
      const auto converted = convert(units_of(stream.kind(), stream.caps()), from, value, to);
      if (!converted) return false;
      gst_query_set_convert(query, from, value, to, *converted);
      return true;
    }
    case GST_QUERY_FORMATS:
      gst_query_set_formats(query, 3, GST_FORMAT_TIME, GST_FORMAT_DEFAULT, GST_FORMAT_BYTES);
      return true;
    case GST_QUERY_URI:
      gst_query_set_uri(query, uri.c_str());
      return true;
    case GST_QUERY_CAPS: {
      if (!reel.planned()) break;
      GstCaps* filter = nullptr;
      gst_query_parse_caps(query, &filter);
      const ovi_plan& plan = stream.coming().plan();
      g_autoptr(GstCaps) caps = stream.kind() == Kind::kVideo
                                    ? video_caps(plan, reel.pixel_format())
                                    : audio_caps(plan, reel.sample_format());
      g_autoptr(GstCaps) answer =
          filter ? gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST)
                 : gst_caps_ref(caps);
      gst_query_set_caps_result(query, answer);
      return true;
    }
    default:
      break;
  }
  held.unlock();
  return gst_pad_query_default(stream.pad(), GST_OBJECT(element), query);
}

bool Source::element_query(GstQuery* query, bool& answered) {
  // The pads end at different times; the element's own answer is the longer one.
  Stream* longer = &video;
  {
    std::lock_guard guard(lock);
    if (reel.planned() && reel.duration(Kind::kAudio) > reel.duration(Kind::kVideo))
      longer = &audio;
  }
  // The URI also before there are pads (ovii2vurisrc): streams are named after it, and editors know
  // them by that name.
  const GstQueryType type = GST_QUERY_TYPE(query);
  answered = type == GST_QUERY_DURATION || type == GST_QUERY_POSITION || type == GST_QUERY_URI;
  return answered && this->query(*longer, query);
}

}  // namespace ovii2v
