// What the pads answer about times, frames, samples and bytes.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

gint64 converted(GstPad* pad, GstFormat from, gint64 value, GstFormat to) {
  gint64 result = -99;
  return gst_pad_query_convert(pad, from, value, to, &result) ? result : -99;
}

constexpr GstFormat kTime = GST_FORMAT_TIME, kUnits = GST_FORMAT_DEFAULT, kBytes = GST_FORMAT_BYTES;

}  // namespace

GST_START_TEST(times_and_units_are_known_from_the_start) {
  GstElement* source = make_source();
  GstPad* video = gst_element_get_static_pad(source, "video");
  GstPad* audio = gst_element_get_static_pad(source, "audio");
  fail_unless_equals_int64(converted(video, kUnits, 24, kTime), GST_SECOND);
  fail_unless_equals_int64(converted(video, kUnits, 1, kTime), 41666666);
  // Back again it is the same frame, also from its rounded timestamp.
  for (gint64 unit : {0, 1, 2, 5, 7, 120, 1000001}) {
    fail_unless_equals_int64(converted(video, kTime, converted(video, kUnits, unit, kTime), kUnits),
                             unit);
    fail_unless_equals_int64(converted(audio, kTime, converted(audio, kUnits, unit, kTime), kUnits),
                             unit);
  }
  fail_unless_equals_int64(converted(audio, kUnits, 80384, kTime), 5024 * GST_MSECOND);
  fail_unless_equals_int64(converted(video, kTime, -1, kUnits), -1);
  fail_unless_equals_int64(converted(video, kTime, -2, kUnits), -99);
  fail_unless_equals_int64(converted(video, kUnits, G_MAXINT64, kTime), -99);
  fail_unless_equals_int64(converted(video, GST_FORMAT_PERCENT, 5, kTime), -99);
  fail_unless_equals_int64(converted(video, kUnits, 1, kBytes), -99);
  gst_object_unref(video);
  gst_object_unref(audio);
  drop(source);
}
GST_END_TEST

GST_START_TEST(bytes_are_known_with_the_caps) {
  Harnesses both(make_source(), "video/x-raw,format=RGB", "audio/x-raw,format=S16LE");
  both.play();
  Pulled frames, sound;
  both.pull_all(frames, sound);
  GstPad* video = gst_element_get_static_pad(both.source, "video");
  GstPad* audio = gst_element_get_static_pad(both.source, "audio");
  const gint64 frame = 3 * 128 * 64;
  fail_unless_equals_int64(converted(video, kBytes, 24 * frame, kTime), GST_SECOND);
  fail_unless_equals_int64(converted(video, kTime, 2 * GST_SECOND + 7, kBytes), 48 * frame);
  fail_unless_equals_int64(converted(video, kBytes, 2 * frame - 1, kUnits), 1);
  fail_unless_equals_int64(converted(audio, kUnits, 16000, kBytes), 32000);
  fail_unless_equals_int64(converted(audio, kBytes, 32001, kTime), GST_SECOND);
  fail_unless_equals_int64(converted(video, kUnits, G_MAXINT64 / 2, kBytes), -99);
  gint64 duration = 0;
  fail_unless(gst_pad_query_duration(video, kBytes, &duration) && duration == 121 * frame);
  fail_unless(gst_pad_query_duration(audio, kBytes, &duration) && duration == 2 * 80384);
  fail_unless(gst_pad_query_duration(audio, kUnits, &duration) && duration == 80384);
  gint64 position = 0;
  fail_unless(gst_pad_query_position(video, kBytes, &position) && position == 121 * frame);
  gst_object_unref(video);
  gst_object_unref(audio);
}
GST_END_TEST

GST_START_TEST(formats_are_named) {
  GstElement* source = make_source();
  for (const char* name : {"video", "audio"}) {
    GstPad* pad = gst_element_get_static_pad(source, name);
    GstQuery* query = gst_query_new_formats();
    fail_unless(gst_pad_query(pad, query));
    guint count = 0;
    gst_query_parse_n_formats(query, &count);
    fail_unless_equals_int(count, 3);
    const GstFormat wanted[] = {kTime, kUnits, kBytes};
    for (guint i = 0; i < count; ++i) {
      GstFormat format;
      gst_query_parse_nth_format(query, i, &format);
      fail_unless_equals_int(format, wanted[i]);
    }
    gst_query_unref(query);
    gst_object_unref(pad);
  }
  drop(source);
}
GST_END_TEST

GST_START_TEST(latency_seeking_and_segment_fit_together) {
  for (const bool live : {false, true}) {
    GstElement* source = make_source();
    g_object_set(source, "is-live", live, nullptr);
    for (const char* name : {"video", "audio"}) {
      GstPad* pad = gst_element_get_static_pad(source, name);
      GstQuery* query = gst_query_new_latency();
      gboolean is_live = !live;
      GstClockTime least = 0, most = 0;
      fail_unless(gst_pad_query(pad, query));
      gst_query_parse_latency(query, &is_live, &least, &most);
      fail_unless(is_live == live && least <= most && (least > 0) == live);
      gst_query_unref(query);

      for (const GstFormat format : {kTime, kUnits, kBytes}) {
        gboolean seekable = live;
        query = gst_query_new_seeking(format);
        fail_unless(gst_pad_query(pad, query));
        GstFormat answered;
        gst_query_parse_seeking(query, &answered, &seekable, nullptr, nullptr);
        fail_unless(answered == format && seekable == (!live && format == kTime));
        gst_query_unref(query);
      }

      query = gst_query_new_segment(kTime);
      double rate = 0;
      GstFormat format = GST_FORMAT_UNDEFINED;
      fail_unless(gst_pad_query(pad, query));
      gst_query_parse_segment(query, &rate, &format, nullptr, nullptr);
      fail_unless(rate == 1 && format == kTime);
      gst_query_unref(query);
      gst_object_unref(pad);
    }
    drop(source);
  }
}
GST_END_TEST

OVI_TEST_MAIN(formats, OVI_TEST(times_and_units_are_known_from_the_start)
                           OVI_TEST(bytes_are_known_with_the_caps) OVI_TEST(formats_are_named)
                               OVI_TEST(latency_seeking_and_segment_fit_together))
