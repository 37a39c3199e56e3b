// A live source: by the clock, one offset for both pads, GAPs while nothing is there.
// SPDX-License-Identifier: Apache-2.0
#include "channel/live_fixture.h"

using namespace fixture;

GST_START_TEST(it_says_that_it_is_live) {
  Live live;
  GstElement* source = live.pads.source;
  gst_element_set_state(source, GST_STATE_READY);
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_PAUSED),
                         GST_STATE_CHANGE_NO_PREROLL);
  live.wait_made();
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_PLAYING),
                         GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_PAUSED),
                         GST_STATE_CHANGE_NO_PREROLL);
  GstPad* pad = gst_element_get_static_pad(source, "audio");
  GstQuery* query = gst_query_new_latency();
  fail_unless(gst_pad_query(pad, query));
  gboolean yes = FALSE;
  GstClockTime least, most;
  gst_query_parse_latency(query, &yes, &least, &most);
  fail_unless(yes && least == kFrame && most == GST_CLOCK_TIME_NONE);
  gst_query_unref(query);
  query = gst_query_new_seeking(GST_FORMAT_TIME);
  fail_unless(gst_pad_query(pad, query));
  gst_query_parse_seeking(query, nullptr, &yes, nullptr, nullptr);
  fail_unless(!yes);
  gst_query_unref(query);
  gst_object_unref(pad);
  gint64 value;
  fail_unless(!gst_element_query_duration(source, GST_FORMAT_TIME, &value));
  fail_unless(!gst_element_seek_simple(source, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
}
GST_END_TEST

GST_START_TEST(gaps_then_the_clip_with_one_offset) {
  fake().hold(OVI_FAKE_GENERATE);
  Live live;
  live.pads.play();
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  // Three gaps a pad, without a hole, each told when it begins.
  GstClockTime end[2] = {kStart, kStart};
  for (int i = 0; i < 3; ++i) {
    live.wait_both();
    int pad = 0;
    for (GstHarness* harness : {live.pads.video, live.pads.audio}) {
      GstClockTime start;
      const GstClockTime next = gap_end(harness, &start);
      fail_unless_equals_uint64(start, end[pad]);
      fail_unless_equals_uint64(start, live.now());
      end[pad++] = next;
    }
    if (i < 2) live.crank(2);
  }
  fake().release(OVI_FAKE_GENERATE);
  live.wait_made();
  live.crank(2);
  // All at their time on the clock: three frames, two blocks before the last of them.
  const GstClockTime offset = end[0];
  fail_unless_equals_uint64(end[1], offset);
  live.crank(4);
  live.crank(1, 1);
  for (guint i = 0; i < 3; ++i)
    fail_unless_equals_uint64(pull(live.pads.video, i == 0), offset + frame_time(i));
  for (guint i = 0; i < 2; ++i)
    fail_unless_equals_uint64(pull(live.pads.audio, i == 0), offset + sample_time(1024 * i));
  fail_unless_equals_uint64(live.now(), offset + frame_time(2));
  wait_eos(live.pads.video);
  wait_eos(live.pads.audio);
}
GST_END_TEST

GST_START_TEST(a_clip_that_is_late_moves_both_pads) {
  Live live(2);
  fake().hold(OVI_FAKE_SECOND);
  live.pads.play();
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  live.wait_both();
  fake().hold(OVI_FAKE_ENCODE);  // of the second clip
  fake().release(OVI_FAKE_SECOND);
  live.wait_made();
  fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
  live.crank(2 + 5);
  const GstClockTime offset = pull(live.pads.video, true);
  fail_unless_equals_uint64(pull(live.pads.audio, true), offset);
  for (guint i = 1; i < 3; ++i)
    fail_unless_equals_uint64(pull(live.pads.video), offset + frame_time(i));
  fail_unless_equals_uint64(pull(live.pads.audio), offset + sample_time(1024));
  // Nothing is there: gaps on both pads until it is.
  for (int i = 0; i < 4; ++i) {
    live.wait_both();
    live.crank(2);
  }
  live.wait_both();
  fake().release(OVI_FAKE_ENCODE);
  live.wait_made();
  live.crank(2);
  live.crank(5);  // silence, three frames, two blocks
  live.crank(1, 1);
  const GstClockTime video = pull(live.pads.video, true);
  GstBuffer* silence = gst_harness_pull(live.pads.audio);
  fail_unless(bytes_of(silence).find_first_not_of('\0') == std::string::npos);
  fail_unless_equals_uint64(GST_BUFFER_OFFSET(silence), 1900);
  fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(silence), 2000);
  const GstClockTime audio = GST_BUFFER_PTS(silence);
  gst_buffer_unref(silence);
  // Later than it would have been, by the same on both pads.
  fail_unless(video > offset + frame_time(3));
  fail_unless_equals_uint64(video - frame_time(3), audio - sample_time(1900));
  fail_unless_equals_uint64(pull(live.pads.audio), video);
}
GST_END_TEST

GST_START_TEST(what_waits_for_the_clock_can_be_stopped) {
  for (int how = 0; how < 3; ++how) {
    Live live(0);
    live.pads.play();
    live.wait_made();
    live.wait_both();  // for a time that never comes
    if (how == 0) {
      fail_unless(gst_element_send_event(live.pads.source, gst_event_new_eos()));
      wait_eos(live.pads.video);
      wait_eos(live.pads.audio);
    } else if (how == 1) {
      fail_unless(gst_element_send_event(live.pads.source, gst_event_new_flush_start()));
      fail_unless(gst_element_send_event(live.pads.source, gst_event_new_flush_stop(FALSE)));
      live.wait_both();
    } else {
      gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
    }
    gst_element_set_state(live.pads.source, GST_STATE_READY);
  }
}
GST_END_TEST

GST_START_TEST(a_pause_keeps_or_moves_the_offset) {
  for (bool pipeline : {true, false}) {
    Live live;
    gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
    live.wait_made();
    live.pads.play();
    live.wait_both();
    live.crank(3);  // frame 0, block 0, frame 1
    const GstClockTime offset = pull(live.pads.video, true);
    fail_unless_equals_uint64(pull(live.pads.audio, true), offset);
    fail_unless_equals_uint64(pull(live.pads.video), offset + frame_time(1));
    live.wait_both();
    gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
    const GstClockTime away = 5 * GST_SECOND;
    gst_test_clock_advance_time(live.clock, away);
    // A pipeline takes what it was paused for out of the running time.
    if (pipeline) gst_element_set_base_time(live.pads.source, away);
    gst_element_set_state(live.pads.source, GST_STATE_PLAYING);
    live.crank(1);
    live.crank(1, 1);
    const GstClockTime block = pull(live.pads.audio), frame = pull(live.pads.video);
    const GstClockTime moved = block - sample_time(1024) - offset;
    fail_unless_equals_uint64(frame - frame_time(2) - offset, moved);
    fail_unless(pipeline ? moved == 0 : moved > 4 * GST_SECOND && moved <= away);
  }
}
GST_END_TEST

OVI_TEST_MAIN(live, OVI_TEST(it_says_that_it_is_live) OVI_TEST(gaps_then_the_clip_with_one_offset)
                        OVI_TEST(a_clip_that_is_late_moves_both_pads)
                            OVI_TEST(what_waits_for_the_clock_can_be_stopped)
                                OVI_TEST(a_pause_keeps_or_moves_the_offset))
