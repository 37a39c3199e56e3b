// A live source: by the clock, one offset for both pads, GAPs while nothing is there.
// SPDX-License-Identifier: Apache-2.0
#include <gst/check/gsttestclock.h>
#include <gst/video/video.h>

#include <set>

#include "fixture.h"

using namespace fixture;

namespace {

constexpr GstClockTime kStart = 10 * GST_SECOND;
constexpr GstClockTime kFrame = GST_SECOND / 24;
constexpr GstClockTime frame_time(guint64 n) { return n * GST_SECOND / 24; }
constexpr GstClockTime sample_time(guint64 n) { return n * GST_SECOND / 16000; }

/// A live element on a clock that only the test moves. Clips of 3 frames (2000 samples'
/// time) and 1900 samples.
struct Live {
  explicit Live(guint clips = 1) : pads(make_source()) {
    fake().clip_size(3, 1900);
    g_object_set(pads.source, "is-live", TRUE, "num-clips", clips, nullptr);
    gst_element_set_clock(pads.source, GST_CLOCK(clock));
    gst_element_set_base_time(pads.source, 0);
    made = g_async_queue_new();
    g_signal_connect(pads.source, "notify::stats",
                     G_CALLBACK(+[](GObject*, GParamSpec*, gpointer queue) {
                       g_async_queue_push(static_cast<GAsyncQueue*>(queue), queue);
                     }),
                     made);
  }
  ~Live() {
    gst_element_set_state(pads.source, GST_STATE_NULL);
    gst_object_unref(clock);
    g_async_queue_unref(made);
  }
  void wait_made() { fail_unless(g_async_queue_timeout_pop(made, 10 * G_USEC_PER_SEC) != nullptr); }
  /// Both pads stand at the clock.
  void wait_both() { gst_test_clock_wait_for_multiple_pending_ids(clock, 2, nullptr); }
  /// Time goes on to what is waited for next, once all pads that are not at their end wait.
  void crank(int times, guint waiting = 2) {
    while (times-- > 0) {
      gst_test_clock_wait_for_multiple_pending_ids(clock, waiting, nullptr);
      fail_unless(gst_test_clock_crank(clock));
    }
  }
  GstClockTime now() const { return gst_clock_get_time(GST_CLOCK(clock)); }

  GstTestClock* clock = GST_TEST_CLOCK(gst_test_clock_new_with_start_time(kStart));
  GAsyncQueue* made;
  Harnesses pads;
};

GstClockTime gap_end(GstHarness* harness, GstClockTime* start = nullptr) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_GAP)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no GAP");
  GstClockTime begin, duration;
  gst_event_parse_gap(event, &begin, &duration);
  gst_event_unref(event);
  if (start) *start = begin;
  return begin + duration;
}

GstClockTime pull(GstHarness* harness, bool discont = false) {
  GstBuffer* buffer = gst_harness_pull(harness);
  fail_unless(buffer != nullptr);
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), discont);
  gst_buffer_unref(buffer);
  return pts;
}

void wait_eos(GstHarness* harness) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_EOS)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no EOS");
  gst_event_unref(event);
}

}  // namespace

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
  fail_unless(GST_BUFFER_FLAG_IS_SET(silence, GST_BUFFER_FLAG_GAP));
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

/// Beside other live sources: every frame reaches the screen.
GST_START_TEST(mixed_with_other_live_sources) {
  fake().clip_size(24, 15900);
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(
      "ovii2vsrc name=s prompt=x model-path=. seed=5 steps=1 width=32 height=32 is-live=true "
      "compositor name=c latency=1500000000 ! "
      "video/x-raw,format=I420,framerate=24/1,colorimetry=bt709 ! "
      "fakesink name=f sync=false signal-handoffs=true "
      "audiomixer name=m latency=1500000000 ! fakesink sync=false "
      "videotestsrc is-live=true num-buffers=60 pattern=black ! "
      "video/x-raw,width=32,height=32,framerate=24/1 ! c. "
      "audiotestsrc is-live=true wave=silence num-buffers=40 samplesperbuffer=1000 ! "
      "audio/x-raw,rate=16000,channels=1 ! m. "
      "s.video ! queue ! c. s.audio ! queue ! m.",
      &error);
  fail_unless(pipeline && !error, "%s", error ? error->message : "");
  // Hold the generation for a while of the mixers' time: their output goes on.
  fake().hold(OVI_FAKE_GENERATE);
  struct Seen {
    GMutex lock{};
    std::set<int> lumas;
    int frames = 0;
  } seen;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "f");
  g_signal_connect(sink, "handoff",
                   G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer data) {
                     auto* all = static_cast<Seen*>(data);
                     guint8 luma = 0;
                     gst_buffer_extract(buffer, 0, &luma, 1);
                     g_mutex_lock(&all->lock);
                     all->lumas.insert(luma);
                     const bool release = ++all->frames == 5;
                     g_mutex_unlock(&all->lock);
                     if (release) fake().release(OVI_FAKE_GENERATE);
                   }),
                   &seen);
  gst_object_unref(sink);
  Posted failure;
  fail_unless_equals_int(play_to_end(pipeline, &failure), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  // The first pixel of frame i is 31 i more than that of frame 0.
  int found = 0;
  for (int key = 0; key < 256 && found < 24; ++key) {
    found = 0;
    for (int i = 0; i < 24; ++i) found += static_cast<int>(seen.lumas.count((key + 31 * i) & 255));
  }
  fail_unless_equals_int(found, 24);
  fail_unless(seen.frames >= 60);
  gst_object_unref(pipeline);
}
GST_END_TEST

OVI_TEST_MAIN(live, OVI_TEST(it_says_that_it_is_live) OVI_TEST(gaps_then_the_clip_with_one_offset)
                        OVI_TEST(a_clip_that_is_late_moves_both_pads)
                            OVI_TEST(what_waits_for_the_clock_can_be_stopped)
                                OVI_TEST(a_pause_keeps_or_moves_the_offset)
                                    OVI_TEST(mixed_with_other_live_sources))
