// A live channel: no hole in either stream, clips begin on a frame of both.
// SPDX-License-Identifier: Apache-2.0
#include <gst/audio/audio.h>

#include <atomic>

#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr guint kRow = 32;  // pixels; a frame is black, a still, or a clip's

guint64 slot_sample(guint64 frame) { return (frame * 16000 * 2 + 24) / 48; }

/// What the fake makes of prompt and seed.
guint32 key_of(const char* prompt, gint64 seed) {
  guint32 value = 2166136261u;
  for (; *prompt; ++prompt) value = (value ^ static_cast<guint8>(*prompt)) * 16777619u;
  return value ^ static_cast<guint32>(seed * 2654435761u);
}

/// Everything that both pads gave, from the first buffer on.
struct OnAir : Live {
  explicit OnAir(guint clips, const char* hold = "last-frame") : Live(clips) {
    gst_harness_set_sink_caps_str(pads.audio, "audio/x-raw,format=" GST_AUDIO_NE(S16));
    g_object_set(pads.source, "width", kRow, "height", kRow, nullptr);
    gst_util_set_object_arg(G_OBJECT(pads.source), "hold", hold);
  }
  ~OnAir() {
    for (GstBuffer* frame : frames) gst_buffer_unref(frame);
  }
  /// Takes what came; it goes on where it ended before.
  void take() {
    while (GstBuffer* buffer = gst_harness_try_pull(pads.video)) {
      check(buffer, frames.size(), 24);
      fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(buffer), frames.size() + 1);
      frames.push_back(buffer);
    }
    while (GstBuffer* buffer = gst_harness_try_pull(pads.audio)) {
      check(buffer, samples.size(), 16000);
      const std::string bytes = bytes_of(buffer);
      const auto* values = reinterpret_cast<const gint16*>(bytes.data());
      samples.insert(samples.end(), values, values + bytes.size() / 2);
      fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(buffer), samples.size());
      gst_buffer_unref(buffer);
    }
  }
  void check(GstBuffer* buffer, guint64 unit, guint64 rate) {
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), unit);
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer),
                              offset + gst_util_uint64_scale(unit, GST_SECOND, rate));
    fail_unless_equals_uint64(
        GST_BUFFER_DURATION(buffer),
        gst_util_uint64_scale(GST_BUFFER_OFFSET_END(buffer), GST_SECOND, rate) -
            gst_util_uint64_scale(unit, GST_SECOND, rate));
    fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), unit == 0);
  }
  guint8 first_byte(guint64 frame) {
    guint8 byte = 0;
    gst_buffer_extract(frames[frame], 0, &byte, 1);
    return byte;
  }
  bool is_frame(guint64 at, guint32 key, guint own) {
    return at < frames.size() && first_byte(at) == static_cast<guint8>(31 * own + key);
  }
  /// The frame from `from` on where the clip begins; its sound begins with it.
  guint64 find(guint64 from, gint64 seed, guint slots = 3) {
    const guint32 key = key_of("A cat. <S>Meow<E>", seed);
    while (!(is_frame(from, key, 0) && is_frame(from + 1, key, 1) && is_frame(from + 2, key, 2)))
      fail_unless(++from < frames.size(), "clip of seed %d is not there", static_cast<int>(seed));
    const guint64 begin = slot_sample(from), end = slot_sample(from + slots);
    for (guint64 i = begin; i < end && i < samples.size(); ++i)
      fail_unless(samples[i] == static_cast<gint16>(
                                    i - begin < 1900 ? ((i - begin) * 7919 + key) & 0x3fff : 0),
                  "seed %d at frame %d: sample %d", static_cast<int>(seed), static_cast<int>(from),
                  static_cast<int>(i - begin));
    return from;
  }
  void check_silent(guint64 from_frame, guint64 to_frame) {
    for (guint64 i = slot_sample(from_frame); i < slot_sample(to_frame); ++i)
      fail_unless_equals_int(samples[i], 0);
  }
  /// Time goes on, frame by frame, until so many are there.
  void run_to(guint64 count) {
    while (take(), frames.size() < count) crank(1);
  }

  GstClockTime offset = kStart;
  std::vector<GstBuffer*> frames;
  std::vector<gint16> samples;
};

}  // namespace

/// The model is not even loaded.
GST_START_TEST(it_is_on_air_at_once) {
  for (const char* hold : {"picture", "last-frame"}) {
    fake().reset();
    fake().hold(OVI_FAKE_LOAD);
    OnAir air(1, hold);
    air.pads.play();
    air.crank(2);  // both are due
    fail_unless_equals_uint64(air.now(), kStart);
    air.wait_both();
    air.take();
    fail_unless(air.frames.size() == 1 && air.samples.size() == 667, "%d frames, %d samples",
                static_cast<int>(air.frames.size()), static_cast<int>(air.samples.size()));
    fail_unless(fake().wait(OVI_FAKE_LOAD, 10));
    air.run_to(50);
    fail_unless_equals_int(air.first_byte(0), 16);  // black
    for (guint i = 1; i < 50; ++i) fail_unless(bytes_of(air.frames[i]) == bytes_of(air.frames[0]));
    fake().release(OVI_FAKE_LOAD);
    air.wait_made();
    // Both end with the last frame.
    while (air.take(), air.frames.size() < 53 || air.samples.size() < slot_sample(53))
      if (!gst_test_clock_peek_id_count(air.clock) || !gst_test_clock_crank(air.clock))
        g_thread_yield();
    const guint64 begin = air.find(50, 5);
    air.check_silent(0, begin);
    wait_eos(air.pads.video);
    wait_eos(air.pads.audio);
    air.take();
    fail_unless_equals_uint64(air.frames.size(), begin + 3);
    fail_unless_equals_uint64(air.samples.size(), slot_sample(begin + 3));
  }
}
GST_END_TEST

GST_START_TEST(the_picture_is_held_in_the_clips_size) {
  for (const char* hold : {"picture", "last-frame"}) {
    fake().reset();
    fake().hold(OVI_FAKE_LOAD);
    OnAir air(0, hold);
    gst_harness_set_sink_caps_str(air.pads.video, "video/x-raw,format=RGB");
    g_object_set(air.pads.source, "width", 0, "height", 0, "image",
                 data_file("astronaut.png").c_str(), nullptr);
    air.pads.play();
    fail_unless(fake().wait(OVI_FAKE_LOAD, 10));
    air.run_to(3);
    const std::string still = bytes_of(air.frames[0]);
    fail_unless_equals_int(still.size(), 128 * 128 * 3);
    // The mean of the picture, and not one colour.
    double sum[3] = {}, truth[3] = {};
    for (size_t i = 0; i < still.size(); ++i) sum[i % 3] += static_cast<guint8>(still[i]);
    const ovi_request& seen = fake().seen()->request;
    const size_t pixels = size_t{seen.image_width} * seen.image_height;
    for (size_t i = 0; i < 3 * pixels; ++i) truth[i % 3] += fake().seen()->image[i];
    for (int c = 0; c < 3; ++c)
      fail_unless(ABS(sum[c] / (128 * 128) - truth[c] / static_cast<double>(pixels)) < 2);
    fake().hold(OVI_FAKE_ENCODE);  // of clip 0, too
    fake().release(OVI_FAKE_LOAD);
    fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
    fake().hold(OVI_FAKE_SECOND);
    fake().release(OVI_FAKE_ENCODE);
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    fake().hold(OVI_FAKE_ENCODE);
    fake().release(OVI_FAKE_SECOND);
    air.wait_made();
    const guint before = static_cast<guint>(air.frames.size());
    air.run_to(before + 10);
    const guint64 begin = air.find(before, 5);
    for (guint64 i = begin + 3; i < air.frames.size(); ++i)
      fail_unless(bytes_of(air.frames[i]) ==
                  (g_str_equal(hold, "picture") ? still : bytes_of(air.frames[begin + 2])));
    air.check_silent(begin + 3, air.frames.size() - 1);
    fake().release(OVI_FAKE_ENCODE);
    air.wait_made();
    air.run_to(air.frames.size() + 4);
    air.find(begin + 3, 6);
  }
}
GST_END_TEST

/// A hundred clips, some at once after the one before, some later.
GST_START_TEST(picture_and_sound_stay_together) {
  for (const char* continuity : {"none", "last-frame"}) {
    fake().reset();
    OnAir air(0);
    gst_util_set_object_arg(G_OBJECT(air.pads.source), "continuity", continuity);
    gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
    air.wait_made();
    gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
    const bool repeats = g_str_equal(continuity, "last-frame");
    guint64 begin = 0;
    air.run_to(1);
    for (int clip = 0; clip < 100; ++clip) {
      const bool late = clip % 7 == 3;
      if (late) {
        fake().hold(OVI_FAKE_ENCODE);  // of the one after next, at the latest
        air.run_to(air.frames.size() + 11 + static_cast<guint>(clip % 5));
        fake().release(OVI_FAKE_ENCODE);
      }
      air.wait_made();  // the one after the clip that plays
      air.run_to(air.frames.size() + 3);
    }
    // Every clip that was begun is found, in its order, with its sound beside it.
    guint64 holds = 0;
    const guint made = fake().seen()->generations;
    for (guint clip = 0; clip + 3 < made; ++clip) {
      const guint32 key = key_of("A cat. <S>Meow<E>", 5 + clip);
      guint64 from = begin;
      if (repeats && clip) {
        // Its frame 0 is the last one of the clip before.
        while (!(air.is_frame(from + 1, key, 1) && air.is_frame(from + 2, key, 2)))
          fail_unless(++from + 2 < air.frames.size(), "clip %d", clip);
        for (guint64 i = 0; i < 1000; ++i)
          fail_unless_equals_int(air.samples[slot_sample(from) + i], (i * 7919 + key) & 0x3fff);
        fail_unless(air.is_frame(from, key_of("A cat. <S>Meow<E>", 4 + clip), 2));
      } else {
        from = air.find(begin, 5 + clip, repeats ? 2 : 3);
      }
      for (guint64 i = begin; i < from; ++i)  // the hold is the last frame before
        fail_unless(clip == 0 ||
                    bytes_of(air.frames[i]) == bytes_of(air.frames[repeats ? begin : begin - 1]));
      if (from > begin) air.check_silent(begin + (repeats && clip), from);
      holds += from - begin;
      begin = from + (repeats ? 2 : 3);
    }
    fail_unless(holds > 30, "%d", static_cast<int>(holds));
  }
}
GST_END_TEST

GST_START_TEST(a_clip_that_fails_is_a_hold) {
  OnAir air(0);
  fake().hold(OVI_FAKE_SECOND);
  gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().fault(OVI_FAKE_GENERATE, OVI_NO_SPACE, "Out of memory.", "");
  fake().fault_times(OVI_FAKE_GENERATE, 2);
  fake().release(OVI_FAKE_SECOND);
  air.wait_made();
  gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(air.pads.source);
  int warnings = 0;
  while (warnings < 2) {
    GstMessage* message = gst_bus_timed_pop_filtered(bus, 10 * GST_SECOND, GST_MESSAGE_WARNING);
    fail_unless(message != nullptr);
    gst_message_unref(message);
    ++warnings;
    air.run_to(air.frames.size() + 6);
  }
  gst_object_unref(bus);
  air.wait_made();
  air.run_to(air.frames.size() + 6);
  const guint64 first = air.find(0, 5);
  air.find(first + 3, 7);  // 6 was left out
}
GST_END_TEST

GST_START_TEST(a_clock_that_is_set_back_does_not_stop_it) {
  OnAir air(0);
  gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
  air.wait_made();
  gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
  air.run_to(20);
  air.wait_both();
  // Running time is 3 s again, as after a flush that resets it.
  const GstClockTime base = air.now() - 3 * GST_SECOND;
  gst_element_set_base_time(air.pads.source, base);
  // The rest of what it was at, then both with the new time.
  int found = 0;
  for (int i = 0; i < 40 && found < 2; ++i) {
    air.crank(1);
    for (GstHarness* harness : {air.pads.video, air.pads.audio})
      while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
        const GstClockTime pts = GST_BUFFER_PTS(buffer);
        const bool back = pts >= 3 * GST_SECOND && pts < 5 * GST_SECOND;
        fail_unless(back || pts >= kStart);
        if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) && back) ++found;
        gst_buffer_unref(buffer);
      }
  }
  fail_unless_equals_int(found, 2);
}
GST_END_TEST

GST_START_TEST(a_pause_keeps_or_moves_both) {
  for (bool pipeline : {true, false}) {
    OnAir air(0);
    gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
    air.wait_made();
    gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
    air.run_to(10);
    air.wait_both();
    gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
    air.take();
    const GstClockTime away = 5 * GST_SECOND;
    gst_test_clock_advance_time(air.clock, away);
    if (pipeline) gst_element_set_base_time(air.pads.source, away);
    gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
    if (pipeline) {
      air.run_to(30);
      continue;
    }
    GstBuffer *frame = nullptr, *block = nullptr;
    while (!frame || !block) {
      // Which of the two is due first, and how often, is for the clock to say.
      air.crank(1);
      if (!frame) frame = gst_harness_try_pull(air.pads.video);
      if (!block) block = gst_harness_try_pull(air.pads.audio);
    }
    const GstClockTime moved = GST_BUFFER_PTS(frame) - frame_time(GST_BUFFER_OFFSET(frame));
    fail_unless(moved > kStart + 4 * GST_SECOND && moved <= kStart + away);
    fail_unless_equals_uint64(GST_BUFFER_PTS(block) - sample_time(GST_BUFFER_OFFSET(block)), moved);
    for (GstBuffer* buffer : {frame, block}) {
      fail_unless(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
      gst_buffer_unref(buffer);
    }
  }
}
GST_END_TEST

/// New caps, where the clip begins; the hold after it has its size.
GST_START_TEST(another_size_begins_with_its_clip) {
  OnAir air(0);
  fake().hold(OVI_FAKE_SECOND);
  gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  g_object_set(air.pads.source, "image", data_file("astronaut.png").c_str(), nullptr);
  fake().release(OVI_FAKE_SECOND);
  air.wait_made();
  air.wait_made();
  fake().hold(OVI_FAKE_ENCODE);  // of clip 2
  gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
  air.run_to(12);
  const guint64 small = air.find(0, 5);
  const guint64 large = air.find(small + 3, 6);
  for (guint64 i = 0; i < air.frames.size(); ++i)
    fail_unless_equals_int(gst_buffer_get_size(air.frames[i]),
                           (i < large ? 32u * 32 : 128u * 128) * 3 / 2);
  fake().release(OVI_FAKE_ENCODE);
}
GST_END_TEST

GST_START_TEST(a_pad_that_comes_late_joins_the_frame) {
  for (bool audio_is_late : {true, false}) {
    OnAir air(0);
    gst_harness_set_sink_caps_str(air.pads.audio, "audio/x-raw");
    GstHarness* late = audio_is_late ? air.pads.audio : air.pads.video;
    GstPad* pad = gst_element_get_static_pad(air.pads.source, audio_is_late ? "audio" : "video");
    gst_pad_unlink(pad, late->sinkpad);
    gst_element_set_state(air.pads.source, GST_STATE_PAUSED);
    air.wait_made();
    gst_element_set_state(air.pads.source, GST_STATE_PLAYING);
    air.crank(20, 1);
    fail_unless_equals_int(gst_pad_link(pad, late->sinkpad), GST_PAD_LINK_OK);
    gst_object_unref(pad);
    air.wait_both();
    const GstClockTime linked = air.now();
    air.crank(6);
    GstBuffer* begin = gst_harness_pull(late);
    fail_unless(GST_BUFFER_FLAG_IS_SET(begin, GST_BUFFER_FLAG_DISCONT));
    fail_unless(GST_BUFFER_PTS(begin) + kFrame >= linked &&
                GST_BUFFER_PTS(begin) <= linked + 64 * GST_MSECOND + kFrame);
    fail_unless_equals_uint64(GST_BUFFER_PTS(begin) - kStart,
                              audio_is_late ? sample_time(GST_BUFFER_OFFSET(begin))
                                            : frame_time(GST_BUFFER_OFFSET(begin)));
    gst_buffer_unref(begin);
  }
}
GST_END_TEST

/// A flush stops the last frame of a clip on its way, when the sound is in the next clip already:
/// it is sent again.
GST_START_TEST(a_frame_that_a_flush_stopped_comes_again) {
  Live live(2);
  gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", "picture");
  gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
  live.wait_made();
  live.wait_made();
  GstPad* pad = gst_element_get_static_pad(live.pads.source, "video");
  struct Way {
    std::atomic<bool> blocked{false}, open{false};
  } way;
  gst_pad_add_probe(
      live.pads.video->sinkpad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto& way = *static_cast<Way*>(data);
        if (GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)) != 2 || way.blocked.exchange(true))
          return GST_PAD_PROBE_OK;
        while (!way.open) std::this_thread::yield();
        gst_clear_buffer(reinterpret_cast<GstBuffer**>(&GST_PAD_PROBE_INFO_DATA(info)));
        GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_FLUSHING;
        return GST_PAD_PROBE_HANDLED;
      },
      &way, nullptr);
  live.pads.play();
  guint64 next = 0;
  {
    Time time(live);
    GstClockTime sound = 0;
    while (sound < kStart + 4 * kFrame) {
      GstBuffer* buffer = gst_harness_pull(live.pads.audio);
      fail_unless(buffer != nullptr);
      sound = GST_BUFFER_PTS(buffer);
      gst_buffer_unref(buffer);
    }
    while (!way.blocked) std::this_thread::yield();  // time goes on
    fail_unless(gst_pad_send_event(pad, gst_event_new_flush_start()));
    way.open = true;
    fail_unless(gst_pad_send_event(pad, gst_event_new_flush_stop(FALSE)));
    wait_eos(live.pads.video);
  }
  while (GstBuffer* buffer = gst_harness_try_pull(live.pads.video)) {
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), next++);
    gst_buffer_unref(buffer);
  }
  fail_unless_equals_uint64(next, 6);
  gst_object_unref(pad);
}
GST_END_TEST

OVI_TEST_MAIN(hold,
              OVI_TEST(it_is_on_air_at_once) OVI_TEST(the_picture_is_held_in_the_clips_size)
                  OVI_TEST(picture_and_sound_stay_together) OVI_TEST(a_clip_that_fails_is_a_hold)
                      OVI_TEST(a_clock_that_is_set_back_does_not_stop_it)
                          OVI_TEST(a_pause_keeps_or_moves_both)
                              OVI_TEST(another_size_begins_with_its_clip)
                                  OVI_TEST(a_pad_that_comes_late_joins_the_frame)
                                      OVI_TEST(a_frame_that_a_flush_stopped_comes_again))
