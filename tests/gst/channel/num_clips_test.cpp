// The number of clips, changed while they are played.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 12, kSamples = 8000;

/// Stands after the first frame of its first clip. Where something is set twice, the sound is held
/// up: a pad that has played its clip ends with the first of the two.
struct Chain : Harnesses {
  explicit Chain(guint clips, bool last_frame = false)
      : Harnesses(make_source()), held_sound(source, "audio") {
    fake().reset();
    fake().clip_size(kFrames, kSamples);
    g_object_set(source, "num-clips", clips, "width", 32, "height", 32, nullptr);
    if (last_frame) gst_util_set_object_arg(G_OBJECT(source), "continuity", "last-frame");
    fake().hold(OVI_FAKE_SECOND);
    play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  }
  Block held_sound;
  void set(guint clips) { g_object_set(source, "num-clips", clips, nullptr); }
  void check_duration(guint64 frames) {
    gint64 value = -1;
    fail_unless(gst_element_query_duration(source, GST_FORMAT_TIME, &value) == (frames > 0));
    // The longer of the two: sound begins at the nearest sample.
    const guint64 last = frames >= kFrames ? frames - kFrames : 0;
    const GstClockTime sound = sample_time(gst_util_uint64_scale_round(last, 16000, 24) + kSamples);
    if (frames)
      fail_unless_equals_uint64(static_cast<guint64>(value), MAX(frame_time(frames), sound));
  }
  /// To the end; both streams without a hole.
  void check_clips(guint64 frame_count) {
    Pulled frames, sound;
    held_sound.open();
    pull_all(frames, sound);
    fail_unless_equals_uint64(frames.buffers.size(), frame_count);
    guint64 next = 0;
    for (GstBuffer* buffer : sound.buffers) {
      fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), next);
      next = GST_BUFFER_OFFSET_END(buffer);
    }
    fail_unless(
        next <= frame_count * 16000 / 24 + 1 && next + 16000 / 24 >= frame_count * 16000 / 24,
        "%d samples", static_cast<int>(next));
    fail_unless_equals_int(frames.of(GST_EVENT_SEGMENT).size(), 1);
    gst_element_set_state(source, GST_STATE_READY);
    const auto all = take_messages(source);
    check_progress_balance(all);
    for (const Posted& one : all)
      fail_unless(one.type != GST_MESSAGE_ERROR && one.type != GST_MESSAGE_WARNING, "%s",
                  one.text.c_str());
  }
};

}  // namespace

GST_START_TEST(more_clips) {
  for (guint before : {1u, 2u}) {
    Chain chain(before);
    chain.check_duration(before * kFrames);
    chain.set(4);
    chain.check_duration(4 * kFrames);
    fake().release(OVI_FAKE_SECOND);
    chain.check_clips(4 * kFrames);
  }
}
GST_END_TEST

/// The last one is made long before it is played to its end.
GST_START_TEST(more_clips_once_the_last_one_is_made) {
  for (bool last_frame : {false, true}) {
    GstElement* source = make_source();
    fake().reset();
    fake().clip_size(kFrames, kSamples);
    g_object_set(source, "num-clips", 1, "width", 32, "height", 32, nullptr);
    if (last_frame) gst_util_set_object_arg(G_OBJECT(source), "continuity", "last-frame");
    Harnesses chain(source);
    // The last frame waits until the clip is whole and more are asked for, and the sound for that.
    struct Gate {
      GAsyncQueue* made = g_async_queue_new();
      GAsyncQueue* asked = g_async_queue_new();
      GstElement* source;
      bool done = false;
    } gate;
    gate.source = source;
    g_signal_connect(source, "notify::stats", G_CALLBACK(+[](GObject*, GParamSpec*, gpointer data) {
                       auto* made = static_cast<Gate*>(data)->made;
                       g_async_queue_push(made, made);
                     }),
                     &gate);
    GstPad* pad = gst_element_get_static_pad(source, "video");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer data) {
          auto* gate = static_cast<Gate*>(data);
          if (gate->done || GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)) != kFrames - 1)
            return GST_PAD_PROBE_OK;
          gate->done = true;
          fail_unless(g_async_queue_timeout_pop(gate->made, 10 * G_USEC_PER_SEC) != nullptr);
          g_object_set(gate->source, "num-clips", 3, nullptr);
          g_async_queue_push(gate->asked, gate);
          return GST_PAD_PROBE_OK;
        },
        &gate, nullptr);
    gst_object_unref(pad);
    pad = gst_element_get_static_pad(source, "audio");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer data) {
          auto* gate = static_cast<Gate*>(data);
          fail_unless(g_async_queue_timeout_pop(gate->asked, 10 * G_USEC_PER_SEC) != nullptr);
          return GST_PAD_PROBE_REMOVE;
        },
        &gate, nullptr);
    chain.play();
    Pulled frames, sound;
    chain.pull_all(frames, sound);
    fail_unless(gate.done);
    fail_unless_equals_int(frames.buffers.size(), last_frame ? 3 * kFrames - 2 : 3 * kFrames);
    fail_unless_equals_int(frames.of(GST_EVENT_TAG).size(), 3);
    // The one that was added begins with the last frame of the first.
    fail_unless_equals_int(fake().seen()->request.image_width > 0, last_frame);
    gst_object_unref(pad);
    g_signal_handlers_disconnect_by_data(source, &gate);
    g_async_queue_unref(gate.made);
    g_async_queue_unref(gate.asked);
  }
}
GST_END_TEST

GST_START_TEST(fewer_clips) {
  for (bool last_frame : {false, true}) {
    Chain chain(0, last_frame);
    chain.check_duration(0);
    chain.set(3);
    const guint frames = last_frame ? 3 * kFrames - 2 : 3 * kFrames;
    chain.check_duration(frames);
    chain.set(2);
    chain.set(3);
    fake().release(OVI_FAKE_SECOND);
    chain.check_clips(frames);
  }
}
GST_END_TEST

/// The second clip is being made while the first one is played: it is given up, and neither error
/// nor the rest of its time is waited for.
GST_START_TEST(a_clip_that_is_made_for_nothing_is_given_up) {
  for (const ovi_fake_point point : {OVI_FAKE_ENCODE, OVI_FAKE_GENERATE}) {
    Chain chain(3);
    GstPad* pad = gst_element_get_static_pad(chain.source, "video");
    GstHarness* video = chain.video;
    fake().hold(point);
    fake().release(OVI_FAKE_SECOND);
    fail_unless(fake().wait(point, 10));
    for (guint i = 0; i < kFrames; ++i) gst_buffer_unref(gst_harness_pull(video));
    const int cancelled = fake().counters().cancelled;
    chain.set(1);
    chain.check_duration(kFrames);
    GstEvent* event = nullptr;
    while ((event = gst_harness_pull_event(video)) && GST_EVENT_TYPE(event) != GST_EVENT_EOS)
      gst_event_unref(event);
    fail_unless(event != nullptr, "no EOS");
    gst_event_unref(event);
    gst_element_set_state(chain.source, GST_STATE_READY);
    fail_unless_equals_int(fake().counters().cancelled, cancelled + 1);
    check_progress_balance(take_messages(chain.source));
    fake().release(point);
    gst_object_unref(pad);
  }
}
GST_END_TEST

/// Given up, and wanted after all.
GST_START_TEST(a_clip_that_was_given_up_is_made_again) {
  Chain chain(3, true);
  Block held_frames(chain.source, "video");
  fake().hold(OVI_FAKE_GENERATE);
  fake().release(OVI_FAKE_SECOND);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  chain.set(1);
  chain.set(2);
  held_frames.open();
  fake().release(OVI_FAKE_GENERATE);
  chain.check_clips(2 * kFrames - 1);
  // Of the same seed, with the same picture.
  const ovi_fake_seen& seen = *fake().seen();
  fail_unless_equals_int(seen.seeds[seen.generations - 1], 6);
  fail_unless(seen.request.image_width > 0);
}
GST_END_TEST

GST_START_TEST(after_the_end_it_counts_for_the_next_run) {
  Chain chain(1);
  fake().release(OVI_FAKE_SECOND);
  chain.check_clips(kFrames);
  chain.set(2);
  gst_element_set_state(chain.source, GST_STATE_PLAYING);
  chain.check_clips(2 * kFrames);
}
GST_END_TEST

GST_START_TEST(a_live_one) {
  // With the hold both streams go on between clips, and end with the last one.
  for (const char* hold : {"none", "last-frame"}) {
    fake().reset();
    Live live(0);
    gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
    fake().hold(OVI_FAKE_SECOND);
    live.pads.play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    g_object_set(live.pads.source, "num-clips", 1, nullptr);
    g_object_set(live.pads.source, "num-clips", 3, nullptr);
    g_object_set(live.pads.source, "num-clips", 2, nullptr);
    fake().release(OVI_FAKE_SECOND);
    Pulled frames, sound;
    {
      Time time(live);
      live.pads.pull_all(frames, sound);
    }
    fail_unless_equals_int(frames.of(GST_EVENT_TAG).size(), 2);
    fail_unless_equals_int(sound.of(GST_EVENT_TAG).size(), 2);
    fail_unless_equals_int(fake().seen()->generations, 2);
  }
}
GST_END_TEST

/// Whatever is set when, both streams end together and whole.
GST_START_TEST(it_may_be_set_at_any_time) {
  for (guint round = 0; round < 20; ++round) {
    Chain chain(2, round % 2);
    chain.held_sound.open();
    fake().release(OVI_FAKE_SECOND);
    GstClockTime ends[2] = {};
    const auto end_of = [](GstBuffer* buffer) {
      return GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
    };
    std::atomic<bool> over{false};
    std::thread other([&] {
      const guint numbers[] = {3, 1, 0, 7, 2, 5, 1, 0, 4};
      for (guint i = round; !over; ++i) chain.set(numbers[i % G_N_ELEMENTS(numbers)]);
    });
    for (guint i = 0; i < kFrames + round; ++i)
      if (GstBuffer* buffer = gst_harness_try_pull(chain.video)) {
        ends[0] = end_of(buffer);
        gst_buffer_unref(buffer);
      }
    over = true;
    other.join();
    chain.set(1);
    Pulled frames, sound;
    chain.pull_all(frames, sound);
    if (!frames.buffers.empty()) ends[0] = end_of(frames.buffers.back());
    if (!sound.buffers.empty()) ends[1] = end_of(sound.buffers.back());
    fail_unless(
        ends[0] && ends[1] &&
            ABS(GST_CLOCK_DIFF(ends[0], ends[1])) <= static_cast<GstClockTimeDiff>(2 * kFrame),
        "video ends at %" GST_TIME_FORMAT ", audio at %" GST_TIME_FORMAT, GST_TIME_ARGS(ends[0]),
        GST_TIME_ARGS(ends[1]));
    gst_element_set_state(chain.source, GST_STATE_READY);
    check_progress_balance(take_messages(chain.source));
  }
}
GST_END_TEST

/// Its frames are all there, and it is given up before the engine says so; then it is wanted again,
/// and goes on air before that giving up is over.
GST_START_TEST(a_clip_that_is_on_air_stays) {
  struct Seen {
    GstElement* source = nullptr;
    std::mutex lock;
    std::condition_variable changed;
    std::vector<guint64> told;
    bool wanted_again = false;
  };
  for (const char* hold : {"none", "picture"}) {
    fake().reset();
    Live live(3);
    gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
    Seen seen;
    seen.source = live.pads.source;
    GstBus* bus = gst_element_get_bus(live.pads.source);
    gst_bus_set_sync_handler(
        bus,
        [](GstBus*, GstMessage* message, gpointer data) {
          auto& seen = *static_cast<Seen*>(data);
          const GstStructure* fields = gst_message_get_structure(message);
          if (gst_message_has_name(message, "ovii2v-clip")) {
            guint64 index = 0;
            fail_unless(gst_structure_get_uint64(fields, "index", &index));
            std::lock_guard guard(seen.lock);
            seen.told.push_back(index);
            seen.changed.notify_all();
          }
          guint64 clip = 0;
          gint percent = 0;
          if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_PROGRESS ||
              !gst_structure_get_uint64(fields, "clip", &clip) || clip != 1 ||
              !g_str_equal(gst_structure_get_string(fields, "code"), "decode") ||
              !gst_structure_get_int(fields, "stage-percent", &percent) || percent != 100)
            return GST_BUS_PASS;
          std::unique_lock held(seen.lock);
          if (seen.wanted_again) return GST_BUS_PASS;
          held.unlock();
          g_object_set(seen.source, "num-clips", 1, nullptr);
          g_object_set(seen.source, "num-clips", 3, nullptr);
          held.lock();
          seen.wanted_again = true;
          seen.changed.notify_all();
          fail_unless(seen.changed.wait_for(held, std::chrono::seconds(10),
                                            [&] { return seen.told.size() > 1; }),
                      "clip 1 is not on air");
          return GST_BUS_PASS;
        },
        &seen, nullptr);
    live.pads.play();
    {
      std::unique_lock held(seen.lock);
      fail_unless(
          seen.changed.wait_for(held, std::chrono::seconds(10), [&] { return seen.wanted_again; }));
    }
    Pulled frames, sound;
    {
      Time time(live);
      live.pads.pull_all(frames, sound);
    }
    gst_element_set_state(live.pads.source, GST_STATE_NULL);
    gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
    gst_object_unref(bus);
    fail_unless_equals_int(seen.told.size(), 3);
    for (guint64 i = 0; i < 3; ++i) fail_unless_equals_uint64(seen.told[i], i);
    fail_unless_equals_int(frames.of(GST_EVENT_TAG).size(), 3);
    fail_unless_equals_int(sound.of(GST_EVENT_TAG).size(), 3);
    if (g_str_equal(hold, "none")) fail_unless_equals_int(frames.buffers.size(), 9);
  }
}
GST_END_TEST

/// In the hold after what is the last clip now, one pad a frame behind the other.
GST_START_TEST(fewer_in_a_hold_end_both_pads_at_one_time) {
  Live live(2);
  gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", "last-frame");
  fake().hold(OVI_FAKE_SECOND);
  gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().hold(OVI_FAKE_ENCODE);  // of clip 1
  fake().release(OVI_FAKE_SECOND);
  live.wait_made();
  live.pads.play();
  fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
  while (gst_harness_buffers_received(live.pads.video) < 6) live.crank(1);
  // The sound stays where it is.
  Block held_sound(live.pads.source, "audio");
  {
    Time time(live);
    while (gst_harness_buffers_received(live.pads.video) < 10) std::this_thread::yield();
    g_object_set(live.pads.source, "num-clips", 1, nullptr);
    wait_eos(live.pads.video);
    held_sound.open();
    wait_eos(live.pads.audio);
  }
  GstClockTime ends[2] = {};
  for (GstHarness* harness : {live.pads.video, live.pads.audio})
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
      ends[harness == live.pads.audio] = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
      gst_buffer_unref(buffer);
    }
  fail_unless(ABS(GST_CLOCK_DIFF(ends[0], ends[1])) <= GST_SECOND / 32000 + 1,
              "video ends at %" GST_TIME_FORMAT ", audio at %" GST_TIME_FORMAT,
              GST_TIME_ARGS(ends[0]), GST_TIME_ARGS(ends[1]));
}
GST_END_TEST

OVI_TEST_MAIN(num_clips,
              OVI_TEST(more_clips) OVI_TEST(more_clips_once_the_last_one_is_made)
                  OVI_TEST(fewer_clips) OVI_TEST(a_clip_that_is_made_for_nothing_is_given_up)
                      OVI_TEST(a_clip_that_was_given_up_is_made_again)
                          OVI_TEST(after_the_end_it_counts_for_the_next_run) OVI_TEST(a_live_one)
                              OVI_TEST(it_may_be_set_at_any_time)
                                  OVI_TEST(a_clip_that_is_on_air_stays)
                                      OVI_TEST(fewer_in_a_hold_end_both_pads_at_one_time))
