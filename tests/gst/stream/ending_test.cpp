// How both pads end: an EOS event, the signal "finish". At one running time, whoever was ahead.
// SPDX-License-Identifier: Apache-2.0
#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr guint64 samples_of(guint64 frames) { return (frames * 16000 * 2 + 24) / 48; }

/// Frames and samples that a pad gave, without a hole from the first on; where they end.
struct Ended {
  guint64 units = 0;
  GstClockTime first = GST_CLOCK_TIME_NONE, end = 0;
  std::vector<std::string> buffers;
  explicit Ended(const Pulled& pulled) {
    for (GstBuffer* buffer : pulled.buffers) {
      if (buffers.empty()) first = GST_BUFFER_PTS(buffer);
      fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), units);
      units = GST_BUFFER_OFFSET_END(buffer);
      end = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
      buffers.push_back(bytes_of(buffer));
    }
  }
};

/// Both ended with this frame, to half a sample.
void check_end(Harnesses& pads, guint64 frames) {
  Pulled video, audio;
  pads.pull_all(video, audio);
  const Ended picture(video), sound(audio);
  fail_unless_equals_uint64(picture.units, frames);
  fail_unless_equals_uint64(sound.units, samples_of(frames));
  if (!frames) return;
  fail_unless_equals_uint64(picture.first, sound.first);
  fail_unless(std::abs(GST_CLOCK_DIFF(picture.end, sound.end)) <= GST_SECOND / 32000 + 1);
  fail_unless_equals_int(gst_event_get_seqnum(video.of(GST_EVENT_EOS)[0]),
                         gst_event_get_seqnum(audio.of(GST_EVENT_EOS)[0]));
}

void send_eos(GstElement* source) {
  fail_unless(gst_element_send_event(source, gst_event_new_eos()));
}

void finish(GstElement* source) { g_signal_emit_by_name(source, "finish"); }

/// Clips of 3 frames; made until clip `n` begins to be encoded, and held there.
Harnesses* chain_held_before(guint n, guint clips = 0) {
  fake().reset();
  fake().clip_size(3, 1900);
  fake().hold(OVI_FAKE_ENCODE);
  auto* pads = new Harnesses(make_source());
  g_object_set(pads->source, "num-clips", clips, nullptr);
  pads->play();
  fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
  for (guint i = 0; i < n; ++i) {
    fake().hold(OVI_FAKE_SECOND);
    fake().release(OVI_FAKE_ENCODE);
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    fake().hold(OVI_FAKE_ENCODE);
    fake().release(OVI_FAKE_SECOND);
    fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
  }
  return pads;
}

void wait_for_buffers(GstHarness* harness, guint count) {
  const gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
  while (gst_harness_buffers_received(harness) < count) {
    fail_unless(g_get_monotonic_time() < end, "%u buffers", gst_harness_buffers_received(harness));
    g_thread_yield();
  }
}

void wait_cancelled(int count) {
  const gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
  while (fake().counters().cancelled < count) {
    fail_unless(g_get_monotonic_time() < end, "the next clip goes on");
    g_thread_yield();
  }
}

/// Time goes on until both pads are at their end.
void run_out(Live& live) {
  const gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
  while (!GST_PAD_IS_EOS(live.pads.video->sinkpad) || !GST_PAD_IS_EOS(live.pads.audio->sinkpad)) {
    fail_unless(g_get_monotonic_time() < end, "no EOS came");
    GstClockID id = nullptr;
    if (!gst_test_clock_peek_next_pending_id(live.clock, &id)) {
      g_thread_yield();
      continue;
    }
    gst_clock_id_unref(id);
    gst_test_clock_crank(live.clock);
  }
}

}  // namespace

/// All sound is out, half of the frames are not made: the last one is shown to the end.
GST_START_TEST(eos_while_frames_are_made) {
  fake().hold(OVI_FAKE_DECODE);
  Harnesses pads(make_source());
  pads.play();
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  wait_for_buffers(pads.video, 60);
  wait_for_buffers(pads.audio, 79);
  send_eos(pads.source);
  check_end(pads, 121);
}
GST_END_TEST

GST_START_TEST(eos_before_a_frame_is_made) {
  fake().hold(OVI_FAKE_LOAD);
  Harnesses pads(make_source());
  pads.play();
  fail_unless(fake().wait(OVI_FAKE_LOAD, 10));
  send_eos(pads.source);
  check_end(pads, 0);
}
GST_END_TEST

/// Whichever is ahead, the other one goes on to there and no further.
GST_START_TEST(eos_while_one_pad_is_blocked) {
  for (bool video_waits : {true, false}) {
    for (guint clips : {1u, 2u}) {
      fake().reset();
      fake().clip_size(48, 31000);
      if (video_waits) fake().hold(OVI_FAKE_SECOND);
      Harnesses pads(make_source());
      g_object_set(pads.source, "num-clips", clips, nullptr);
      GstPad* pad = gst_element_get_static_pad(pads.source, video_waits ? "video" : "audio");
      const gulong probe = gst_pad_add_probe(
          pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
          [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
      pads.play();
      if (video_waits) fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
      // 31000 samples end in frame 46.
      wait_for_buffers(video_waits ? pads.audio : pads.video, video_waits ? 31 : 48);
      for (int i = 0; i < 10'000 && !gst_pad_is_blocking(pad); ++i) g_usleep(1000);
      fail_unless(gst_pad_is_blocking(pad));  // a first buffer is there
      send_eos(pads.source);
      gst_pad_remove_probe(pad, probe);
      gst_object_unref(pad);
      Pulled video, audio;
      pads.pull_all(video, audio);
      const Ended picture(video), sound(audio);
      fail_unless(picture.units >= (video_waits ? 47 : 48) && picture.units <= 48 * clips,
                  "%d frames, %d samples", static_cast<int>(picture.units),
                  static_cast<int>(sound.units));
      if (video_waits) fail_unless_equals_uint64(picture.units, 47);
      fail_unless_equals_uint64(sound.units, samples_of(picture.units));
    }
  }
}
GST_END_TEST

GST_START_TEST(eos_with_one_pad_is_at_once) {
  fake().hold(OVI_FAKE_DECODE);
  GstElement* source = make_source();
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  gst_harness_play(video);
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  wait_for_buffers(video, 60);
  send_eos(source);
  wait_eos(video);
  fail_unless_equals_int(gst_harness_buffers_received(video), 60);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_object_unref(source);
}
GST_END_TEST

/// Sinks that hold what they have: the event is taken at once, and so is a stop after it.
GST_START_TEST(eos_waits_for_no_blocked_sink) {
  for (bool stops : {true, false}) {
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source, true, true, "sync=true");
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    fail_unless_equals_int(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND),
                           GST_STATE_CHANGE_SUCCESS);
    send_eos(source);
    if (!stops) fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

/// In a clip, between clips, before the first one; with a hold, and without.
GST_START_TEST(eos_of_a_live_element) {
  for (const char* hold : {"none", "last-frame"}) {
    const bool holds = !g_str_equal(hold, "none");
    for (int cranks : {1, 2, 3, 5}) {
      fake().reset();
      Live live(0);
      gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
      gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
      live.wait_made();
      live.pads.play();
      live.crank(cranks);
      live.wait_both();
      const guint seen = gst_harness_buffers_received(live.pads.video);
      send_eos(live.pads.source);  // the clock stands still
      Pulled video, audio;
      live.pads.pull_all(video, audio);
      const Ended picture(video), sound(audio);
      fail_unless(picture.units >= seen && picture.units <= seen + 2, "%d",
                  static_cast<int>(picture.units));
      fail_unless_equals_uint64(sound.units, samples_of(picture.units));
      fail_unless(holds || picture.first == sound.first);
    }
  }
}
GST_END_TEST

GST_START_TEST(eos_in_a_hold) {
  Live live(0);
  gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", "picture");
  fake().hold(OVI_FAKE_LOAD);
  live.pads.play();
  fail_unless(fake().wait(OVI_FAKE_LOAD, 10));
  live.crank(7);  // one pad is a frame ahead
  live.wait_both();
  send_eos(live.pads.source);
  check_end(live.pads, 4);
}
GST_END_TEST

GST_START_TEST(after_a_flush_the_end_is_another) {
  Harnesses pads(make_source());
  pads.play();
  {
    Pulled video, audio;
    pads.pull_all(video, audio);
  }
  send_eos(pads.source);
  fail_unless(gst_element_seek_simple(pads.source, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
  Pulled video, audio;
  pads.pull_all(video, audio);
  fail_unless_equals_int(video.buffers.size(), 121);
  fail_unless_equals_int(audio.buffers.size(), 79);
}
GST_END_TEST

GST_START_TEST(finish_gives_up_the_next_clip) {
  Harnesses* pads = chain_held_before(1);
  wait_for_buffers(pads->video, 3);
  const int cancelled = fake().counters().cancelled;
  finish(pads->source);
  check_end(*pads, 3);
  wait_cancelled(cancelled + 1);
  fail_unless_equals_int(fake().seen()->generations, 2);
  gint64 duration = -1;
  fail_unless(gst_element_query_duration(pads->source, GST_FORMAT_TIME, &duration));
  fail_unless_equals_uint64(static_cast<guint64>(duration), frame_time(3));
  delete pads;
}
GST_END_TEST

/// A flush goes on, to the same end.
GST_START_TEST(finish_lasts_over_a_flush) {
  Harnesses* pads = chain_held_before(1);
  fake().hold(OVI_FAKE_SECOND);
  fake().release(OVI_FAKE_ENCODE);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  wait_for_buffers(pads->video, 4);
  wait_for_buffers(pads->audio, 4);  // all that is there
  finish(pads->source);
  fail_unless(gst_element_send_event(pads->source, gst_event_new_flush_start()));
  fail_unless(gst_element_send_event(pads->source, gst_event_new_flush_stop(FALSE)));
  fake().release(OVI_FAKE_SECOND);
  Pulled video, audio;
  pads->pull_all(video, audio);
  fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(video.buffers.back()), 6);
  fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(audio.buffers.back()), samples_of(6));
  delete pads;
}
GST_END_TEST

GST_START_TEST(finish_in_a_clip_that_is_made) {
  Harnesses* pads = chain_held_before(1);
  fake().hold(OVI_FAKE_SECOND);
  fake().release(OVI_FAKE_ENCODE);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  wait_for_buffers(pads->video, 4);  // its first frame
  finish(pads->source);
  finish(pads->source);
  fake().release(OVI_FAKE_SECOND);
  check_end(*pads, 6);
  fail_unless_equals_int(fake().seen()->generations, 2);
  delete pads;
}
GST_END_TEST

/// Nothing was begun: the first clip is the last. In READY and NULL nobody listens.
GST_START_TEST(finish_before_the_first_clip) {
  Harnesses* pads = chain_held_before(0);
  finish(pads->source);
  fake().release(OVI_FAKE_ENCODE);
  check_end(*pads, 3);
  fail_unless_equals_int(fake().seen()->generations, 1);
  delete pads;

  fake().reset();
  fake().clip_size(3, 1900);
  Harnesses again(make_source());
  g_object_set(again.source, "num-clips", 2, nullptr);
  finish(again.source);
  gst_element_set_state(again.source, GST_STATE_READY);
  finish(again.source);
  again.play();
  Pulled video, audio;
  again.pull_all(video, audio);
  fail_unless_equals_int(video.buffers.size(), 6);
}
GST_END_TEST

/// Before the picture is read: not even the plan is there.
GST_START_TEST(finish_before_anything_is_known) {
  fake().clip_size(3, 1900);
  Harnesses pads(make_source());
  g_object_set(pads.source, "num-clips", 0, "image", data_file("astronaut.png").c_str(), nullptr);
  gst_element_set_state(pads.source, GST_STATE_PAUSED);
  finish(pads.source);
  check_end(pads, 3);
  fail_unless_equals_int(fake().seen()->generations, 1);
}
GST_END_TEST

GST_START_TEST(finish_of_a_live_element) {
  for (const char* hold : {"none", "picture"}) {
    fake().reset();
    Live live(0);
    gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
    gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
    live.wait_made();
    live.pads.play();
    live.crank(3);  // two frames, a block: in clip 0
    live.wait_both();
    finish(live.pads.source);
    run_out(live);
    check_end(live.pads, 3);
  }
}
GST_END_TEST

/// The clip is over, the next one is not there: nothing to wait for.
GST_START_TEST(finish_in_a_hold_between_clips) {
  Live live(0);
  gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", "last-frame");
  fake().hold(OVI_FAKE_SECOND);
  gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().hold(OVI_FAKE_ENCODE);  // of clip 1
  fake().release(OVI_FAKE_SECOND);
  live.wait_made();
  live.pads.play();
  fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
  while (gst_harness_buffers_received(live.pads.video) < 8) live.crank(1);
  live.wait_both();
  const guint seen = gst_harness_buffers_received(live.pads.video);
  const int cancelled = fake().counters().cancelled;
  finish(live.pads.source);
  run_out(live);  // at most one frame is due
  Pulled video, audio;
  live.pads.pull_all(video, audio);
  const Ended picture(video), sound(audio);
  fail_unless(picture.units >= seen && picture.units <= seen + 1);
  fail_unless_equals_uint64(sound.units, samples_of(picture.units));
  wait_cancelled(cancelled + 1);
}
GST_END_TEST

/// Without a hold both were told that nothing comes until one time, however far each was.
GST_START_TEST(finish_between_live_clips_ends_both_at_one_time) {
  Live live(0);
  fake().hold(OVI_FAKE_SECOND);
  gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().hold(OVI_FAKE_ENCODE);  // of clip 1
  fake().release(OVI_FAKE_SECOND);
  live.wait_made();
  live.pads.play();
  fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
  live.crank(5);  // three frames, two blocks: clip 0
  GstClockTime ends[2] = {};
  GstPad* pad = gst_element_get_static_pad(live.pads.source, "audio");
  const gulong block = gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  for (int gaps = 0; gaps < 3;) {  // of the video alone
    if (GST_CLOCK_TIME_IS_VALID(gst_test_clock_get_next_entry_time(live.clock)))
      gst_test_clock_crank(live.clock);
    GstEvent* event = gst_harness_try_pull_event(live.pads.video);
    if (event && GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
      GstClockTime start, duration;
      gst_event_parse_gap(event, &start, &duration);
      ends[0] = start + duration;
      ++gaps;
    }
    if (event) gst_event_unref(event);
  }
  finish(live.pads.source);
  gst_pad_remove_probe(pad, block);
  run_out(live);
  gst_object_unref(pad);
  GstHarness* const harnesses[] = {live.pads.video, live.pads.audio};
  for (int i = 0; i < 2; ++i) {
    GstEvent* event = nullptr;
    while ((event = gst_harness_pull_event(harnesses[i])) &&
           GST_EVENT_TYPE(event) != GST_EVENT_EOS) {
      GstClockTime start, duration;
      if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
        gst_event_parse_gap(event, &start, &duration);
        ends[i] = start + duration;
      }
      gst_event_unref(event);
    }
    fail_unless(event != nullptr, "no EOS");
    gst_event_unref(event);
  }
  fail_unless_equals_uint64(ends[0], ends[1]);
}
GST_END_TEST

OVI_TEST_MAIN(
    ending,
    OVI_TEST(eos_while_frames_are_made) OVI_TEST(eos_before_a_frame_is_made)
        OVI_TEST(eos_while_one_pad_is_blocked) OVI_TEST(eos_with_one_pad_is_at_once)
            OVI_TEST(eos_waits_for_no_blocked_sink) OVI_TEST(eos_of_a_live_element)
                OVI_TEST(eos_in_a_hold) OVI_TEST(after_a_flush_the_end_is_another)
                    OVI_TEST(finish_gives_up_the_next_clip) OVI_TEST(finish_in_a_clip_that_is_made)
                        OVI_TEST(finish_lasts_over_a_flush) OVI_TEST(finish_before_the_first_clip)
                            OVI_TEST(finish_before_anything_is_known)
                                OVI_TEST(finish_of_a_live_element)
                                    OVI_TEST(finish_in_a_hold_between_clips)
                                        OVI_TEST(finish_between_live_clips_ends_both_at_one_time))
