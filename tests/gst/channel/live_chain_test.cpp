// Live clip after clip: no drift, no memory that grows, gaps where something is late.
// SPDX-License-Identifier: Apache-2.0
#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr int kWaits = 6;  // of both pads for one clip: 3 frames, 2 blocks, 1 silence

/// Checks what a pad gave so far against the timeline, from `offset` on; lets it go.
struct Checked {
  GstHarness* harness;
  guint64 rate;
  guint64 next = 0;  // unit

  void take(GstClockTime offset) {
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
      fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), next);
      fail_unless_equals_uint64(GST_BUFFER_PTS(buffer) - offset,
                                gst_util_uint64_scale(next, GST_SECOND, rate));
      next = GST_BUFFER_OFFSET_END(buffer);
      gst_buffer_unref(buffer);
    }
  }
  /// How many GAP events came.
  int gaps() {
    int count = 0;
    while (GstEvent* event = gst_harness_try_pull_event(harness)) {
      count += GST_EVENT_TYPE(event) == GST_EVENT_GAP;
      gst_event_unref(event);
    }
    return count;
  }
};

/// Made and waited for before it plays, so that nothing is missed at the start.
void start(Live& live) {
  gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
  live.wait_made();
  gst_element_set_state(live.pads.source, GST_STATE_PLAYING);
}

}  // namespace

/// Without end, for 100 clips: each exactly where the first one says, but for one that is late.
GST_START_TEST(a_hundred_live_clips_do_not_drift) {
  Live live(0);
  Checked video{live.pads.video, 24}, audio{live.pads.audio, 16000};
  start(live);
  live.wait_both();
  GstClockTime offset = live.now();
  for (int clip = 0; clip < 100; ++clip) {
    const bool late = clip == 50;  // the one after this one
    if (!late) live.wait_made();
    if (clip == 49) fake().hold(OVI_FAKE_ENCODE);  // of clip 51
    // The silence is not due before the sound after it is there; gaps are told at their begin.
    live.crank(late ? kWaits - 1 + 2 : kWaits);
    live.wait_both();
    video.take(offset);
    audio.take(offset);
    fail_unless_equals_int(video.gaps() > 0, late);
    fail_unless_equals_int(audio.gaps() > 0, late);
    if (!late) continue;
    for (int i = 0; i < 7; ++i) {
      live.crank(2);
      live.wait_both();
      fail_unless(video.gaps() > 0 && audio.gaps() > 0, "nothing is told in gap %d", i);
    }
    fake().release(OVI_FAKE_ENCODE);
    live.wait_made();
    live.crank(2);
    live.crank(1);  // what comes first is the silence
    live.wait_made();
    // Then clip 51, and its silence.
    live.crank(kWaits);
    live.wait_both();
    ++clip;
    GstBuffer* silence = gst_harness_pull(live.pads.audio);
    fail_unless(GST_BUFFER_FLAG_IS_SET(silence, GST_BUFFER_FLAG_DISCONT) &&
                bytes_of(silence).find_first_not_of('\0') == std::string::npos);
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(silence), audio.next);
    audio.next = GST_BUFFER_OFFSET_END(silence);
    // From here on everything is that much later, and both pads by the same.
    const GstClockTime moved =
        GST_BUFFER_PTS(silence) - sample_time(GST_BUFFER_OFFSET(silence)) - offset;
    gst_buffer_unref(silence);
    fail_unless(moved >= 7 * kFrame && moved <= 14 * kFrame);
    offset += moved;
    fail_unless_equals_uint64(pull(live.pads.video, true), frame_time(3 * 51) + offset);
    video.next = 3 * 51 + 1;
    video.take(offset);
    audio.take(offset);
    video.gaps();
    audio.gaps();
  }
  fail_unless_equals_int(video.next, 300);
  fail_unless_equals_int(audio.next, 200000);
  // Two clips of 3 frames and a sound, and what is on its way: those of the past are gone.
  fail_unless(fake().counters().most_buffers <= 2 * 4 + kWaits + 2, "%d buffers were alive at once",
              fake().counters().most_buffers);
  fail_unless(gst_element_send_event(live.pads.source, gst_event_new_eos()));
  wait_eos(live.pads.video);
  wait_eos(live.pads.audio);
}
GST_END_TEST

/// While the next clip is not even planned (its picture may come from far away), mixers and
/// whoever asks are answered as always.
GST_START_TEST(an_unplanned_clip_is_a_gap) {
  Live live(2);
  fake().hold(OVI_FAKE_SECOND);
  gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().hold(OVI_FAKE_PLAN);  // of clip 1
  fake().release(OVI_FAKE_SECOND);
  live.wait_made();
  gst_element_set_state(live.pads.source, GST_STATE_PLAYING);
  live.wait_both();
  const GstClockTime offset = live.now();
  live.crank(5 + 2);
  fail_unless(fake().wait(OVI_FAKE_PLAN, 10));
  Checked video{live.pads.video, 24}, audio{live.pads.audio, 16000};
  for (int i = 0; i < 5; ++i) {
    live.wait_both();
    fail_unless(video.gaps() > 0 && audio.gaps() > 0, "nothing is told in gap %d", i);
    gint64 position = -1;
    fail_unless(gst_element_query_position(live.pads.source, GST_FORMAT_TIME, &position));
    fail_unless_equals_uint64(static_cast<guint64>(position), frame_time(3) + offset);
    live.crank(2);
  }
  video.take(offset);
  audio.take(offset);
  fail_unless_equals_int(video.next, 3);
  fake().release(OVI_FAKE_PLAN);
  live.wait_made();
}
GST_END_TEST

/// It joins the pad that plays: at its time, and without moving it.
GST_START_TEST(a_late_link_joins_the_clip_that_is_played) {
  for (bool audio_is_late : {true, false}) {
    fake().reset();
    Live live(0);
    GstHarness* playing = audio_is_late ? live.pads.video : live.pads.audio;
    GstHarness* late = audio_is_late ? live.pads.audio : live.pads.video;
    GstPad* pad = gst_element_get_static_pad(live.pads.source, audio_is_late ? "audio" : "video");
    gst_pad_unlink(pad, late->sinkpad);
    start(live);
    gst_test_clock_wait_for_multiple_pending_ids(live.clock, 1, nullptr);
    const GstClockTime offset = live.now();
    Checked steady{playing, audio_is_late ? 24u : 16000u};
    // Into the middle of clip 2, with clip 3 made in the meantime.
    for (int clip = 0; clip < 2; ++clip) {
      live.wait_made();
      live.crank(3, 1);
    }
    live.wait_made();
    live.crank(1, 1);
    gst_test_clock_wait_for_multiple_pending_ids(live.clock, 1, nullptr);
    fail_unless_equals_int(gst_pad_link(pad, late->sinkpad), GST_PAD_LINK_OK);
    gst_object_unref(pad);
    live.wait_both();
    const GstClockTime linked = live.now();
    for (int clip = 2; clip < 6; ++clip) {
      // Clip 2: frames 1 and 2 and the rest of the sound, or what of both is after block 0.
      live.crank(clip > 2 ? kWaits : audio_is_late ? 5 : 3);
      live.wait_both();
      live.wait_made();
    }
    GstBuffer* begin = gst_harness_pull(late);
    fail_unless(GST_BUFFER_FLAG_IS_SET(begin, GST_BUFFER_FLAG_DISCONT));
    // Neither from the past nor later than what the other pad sends next, and a unit.
    fail_unless(GST_BUFFER_PTS(begin) >= linked &&
                GST_BUFFER_PTS(begin) <= linked + 64 * GST_MSECOND + kFrame);
    Checked joined{late, audio_is_late ? 16000u : 24u, GST_BUFFER_OFFSET_END(begin)};
    fail_unless_equals_uint64(
        GST_BUFFER_PTS(begin) - offset,
        gst_util_uint64_scale(GST_BUFFER_OFFSET(begin), GST_SECOND, joined.rate));
    gst_buffer_unref(begin);
    joined.take(offset);
    steady.take(offset);
    fail_unless(joined.next >= joined.rate * 5 * 3 / 24 && steady.next >= steady.rate * 5 * 3 / 24);
  }
}
GST_END_TEST

/// While it waits for the clock, and while the other one goes on.
GST_START_TEST(a_pad_may_be_switched_off_and_on) {
  Live live(0);
  start(live);
  live.wait_both();
  const GstClockTime offset = live.now();
  live.wait_made();
  live.crank(3);
  live.wait_both();
  GstPad* pad = gst_element_get_static_pad(live.pads.source, "audio");
  fail_unless(gst_pad_set_active(pad, FALSE));
  live.crank(4, 1);
  live.wait_made();
  live.wait_made();  // clips 2 and 3
  gst_test_clock_wait_for_multiple_pending_ids(live.clock, 1, nullptr);
  Checked video{live.pads.video, 24}, audio{live.pads.audio, 16000};
  audio.take(offset);
  video.take(offset);
  fail_unless(audio.next == 1024 && video.next == 6, "%d %d", static_cast<int>(audio.next),
              static_cast<int>(video.next));
  while (GstEvent* event = gst_harness_try_pull_event(live.pads.audio)) gst_event_unref(event);
  fail_unless(gst_pad_set_active(pad, TRUE));
  gst_object_unref(pad);
  live.wait_both();
  const GstClockTime again = live.now();
  live.crank(kWaits);
  live.wait_both();
  // Everything that a stream begins with, once more.
  const GstEventType order[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT,
                                GST_EVENT_TAG};
  size_t found = 0;
  while (GstEvent* event = gst_harness_try_pull_event(live.pads.audio)) {
    if (found < G_N_ELEMENTS(order) && GST_EVENT_TYPE(event) == order[found]) ++found;
    gst_event_unref(event);
  }
  fail_unless_equals_int(found, G_N_ELEMENTS(order));
  GstBuffer* begin = gst_harness_pull(live.pads.audio);
  fail_unless(GST_BUFFER_FLAG_IS_SET(begin, GST_BUFFER_FLAG_DISCONT));
  fail_unless(GST_BUFFER_PTS(begin) >= again && GST_BUFFER_PTS(begin) <= again + 2 * kFrame);
  fail_unless_equals_uint64(GST_BUFFER_PTS(begin) - offset, sample_time(GST_BUFFER_OFFSET(begin)));
  audio.next = GST_BUFFER_OFFSET_END(begin);
  gst_buffer_unref(begin);
  audio.take(offset);
  video.take(offset);
}
GST_END_TEST

OVI_TEST_MAIN(live_chain,
              OVI_TEST(a_hundred_live_clips_do_not_drift) OVI_TEST(an_unplanned_clip_is_a_gap)
                  OVI_TEST(a_late_link_joins_the_clip_that_is_played)
                      OVI_TEST(a_pad_may_be_switched_off_and_on))
