// Clip after clip: no gap, no drift, one clip ahead at most, chained by last frames.
// SPDX-License-Identifier: Apache-2.0
#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include <utility>

#include "clip/last_frame.h"
#include "fixture.h"

using namespace fixture;

namespace {

constexpr guint64 kFrames = 121, kSamples = 80384;

GstElement* make_chain(guint clips, const char* continuity = "none") {
  GstElement* source = make_source();
  g_object_set(source, "num-clips", clips, "width", 32, "height", 32, nullptr);
  gst_util_set_object_arg(G_OBJECT(source), "continuity", continuity);
  return source;
}

std::string tag_of(GstEvent* event, const char* name) {
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  char* text = nullptr;
  fail_unless(gst_tag_list_get_string(tags, name, &text));
  const std::string found = text;
  g_free(text);
  return found;
}

/// No hole and no overlap: each buffer begins where the one before ended.
void check_continuous(const Pulled& pulled, guint64 rate, guint64 units) {
  guint64 next = 0;
  for (GstBuffer* buffer : pulled.buffers) {
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), next);
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer),
                              gst_util_uint64_scale(next, GST_SECOND, rate));
    next = GST_BUFFER_OFFSET_END(buffer);
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer),
                              gst_util_uint64_scale(next, GST_SECOND, rate));
    fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT),
                           buffer == pulled.buffers[0]);
  }
  fail_unless_equals_uint64(next, units);
}

std::string sound_of(gint64 seed, const char* continuity) {
  GstElement* source = make_chain(1, continuity);
  g_object_set(source, "seed", seed, nullptr);
  Harnesses alone(source, "video/x-raw", "audio/x-raw,format=" GST_AUDIO_NE(S16));
  alone.play();
  Pulled frames, sound;
  alone.pull_all(frames, sound);
  return sound.bytes();
}

}  // namespace

GST_START_TEST(a_hundred_clips_are_exact) {
  Harnesses chain(make_chain(100), "video/x-raw", "audio/x-raw,format=" GST_AUDIO_NE(S16));
  Consistent consistent(chain.source);
  chain.play();
  Pulled frames, sound;
  chain.pull_all(frames, sound);
  check_continuous(frames, 24, 100 * kFrames);
  check_continuous(sound, 16000, 33 * 242000 + kSamples);

  // One segment; tags with the clip's own seed at each boundary.
  for (Pulled* pulled : {&frames, &sound}) {
    fail_unless_equals_int(pulled->of(GST_EVENT_SEGMENT).size(), 1);
    fail_unless_equals_int(pulled->of(GST_EVENT_CAPS).size(), 1);
    const auto tags = pulled->of(GST_EVENT_TAG);
    fail_unless_equals_int(tags.size(), 100);
    for (size_t n = 0; n < tags.size(); ++n) {
      const std::string wanted = "seed=" + std::to_string(5 + n);
      fail_unless(tag_of(tags[n], GST_TAG_EXTENDED_COMMENT) == wanted, "%s", wanted.c_str());
      fail_unless_equals_int64(fake().seen()->seeds[n], static_cast<gint64>(5 + n));
    }
  }
  // Each clip's sound lies whole at its place, silence between, none at the end.
  const std::string all = sound.bytes();
  for (guint64 n = 0; n < 99; ++n) {
    const guint64 end = (n * kFrames * 16000 * 2 + 24) / 48 + kSamples;
    const guint64 next = ((n + 1) * kFrames * 16000 * 2 + 24) / 48;
    fail_unless(all.find_first_not_of('\0', end * 2) >= next * 2, "after clip %d",
                static_cast<int>(n));
  }
  for (guint64 n : {0, 1, 2, 50, 99}) {
    const std::string whole = sound_of(static_cast<gint64>(5 + n), "none");
    const guint64 start = (n * kFrames * 16000 * 2 + 24) / 48;
    fail_unless(all.compare(start * 2, whole.size(), whole) == 0, "clip %d", static_cast<int>(n));
  }
}
GST_END_TEST

GST_START_TEST(what_the_sound_is_longer_is_left_out) {
  fake().clip_size(241, 160768);
  const std::string first = sound_of(5, "none"), last = sound_of(7, "none");
  Harnesses chain(make_chain(3), "video/x-raw", "audio/x-raw,format=" GST_AUDIO_NE(S16));
  chain.play();
  Pulled frames, sound;
  chain.pull_all(frames, sound);
  check_continuous(frames, 24, 3 * 241);
  check_continuous(sound, 16000, 321333 + 160768);
  const std::string all = sound.bytes();
  fail_unless(all.compare(0, 160667 * 2, first, 0, 160667 * 2) == 0);
  fail_unless(all.compare(321333 * 2, std::string::npos, last) == 0);
}
GST_END_TEST

/// audioresample makes too much of what is flagged GAP: sound would be later with each clip.
GST_START_TEST(silence_is_as_long_when_it_is_resampled) {
  GstElement* pipeline = gst_pipeline_new(nullptr);
  GstElement* source = make_chain(5);
  GstElement* resampled =
      gst_parse_bin_from_description("audioresample ! audio/x-raw,rate=48000,format=" GST_AUDIO_NE(
                                         S16) " ! fakesink name=f signal-handoffs=true",
                                     TRUE, nullptr);
  gst_bin_add_many(GST_BIN(pipeline), source, resampled, nullptr);
  fail_unless(gst_element_link_pads(source, "audio", resampled, nullptr));
  guint64 samples = 0;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(resampled), "f");
  g_signal_connect(
      sink, "handoff", G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, guint64* all) {
        const gsize here = gst_buffer_get_size(buffer) / 2;
        fail_unless_equals_uint64(
            here, gst_util_uint64_scale_round(GST_BUFFER_DURATION(buffer), 48000, GST_SECOND));
        *all += here;
      }),
      &samples);
  gst_object_unref(sink);
  Posted failure;
  fail_unless(play_to_end(pipeline, &failure) == GST_MESSAGE_EOS, "%s", failure.text.c_str());
  const guint64 given = 3 * ((4 * kFrames * 16000 * 2 + 24) / 48 + kSamples);
  fail_unless(samples + 48 > given && samples < given + 48, "%d samples instead of %d",
              static_cast<int>(samples), static_cast<int>(given));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(chained_clips_begin_with_the_last_frame) {
  // A size that the engine rounds away from: the picture is stretched until it fits.
  for (int widen : {0, -1}) {
    fake().reset();
    fake().widen(widen);
    Harnesses chain(make_chain(3, "last-frame"), "video/x-raw,format=RGB");
    g_object_set(chain.source, "width", 64, "height", 64, nullptr);
    chain.play();
    Pulled frames, sound;
    chain.pull_all(frames, sound);
    check_continuous(frames, 24, 3 * 120 + 1);
    check_continuous(sound, 16000, 2 * 80000 + kSamples);
    fail_unless_equals_int(frames.of(GST_EVENT_CAPS).size(), 1);
    const ovi_fake_seen& seen = *fake().seen();
    fail_unless_equals_int(seen.request.image_width, 64u - static_cast<guint>(widen));
    fail_unless_equals_int(seen.request.image_height, 64);
    if (widen == 0) {
      // Clip 1 ends with frame 240: bit by bit the picture of clip 2.
      const std::string last = bytes_of(frames.buffers[240]);
      fail_unless(last == std::string(reinterpret_cast<char*>(seen.image), last.size()));
      // Frame 241 is frame 1 of clip 2, one frame step of the fake engine after frame 0.
      Harnesses alone(make_chain(1), "video/x-raw,format=RGB");
      g_object_set(alone.source, "width", 64, "height", 64, "seed", G_GINT64_CONSTANT(7), nullptr);
      alone.play();
      Pulled its_frames, its_sound;
      alone.pull_all(its_frames, its_sound);
      fail_unless(bytes_of(frames.buffers[241]) == bytes_of(its_frames.buffers[1]));
    }
  }
}
GST_END_TEST

GST_START_TEST(frames_go_back_to_the_right_colours) {
  // BT.709, limited range, of pure red, green, blue, white (ITU-R BT.709-6, 3 and 4).
  const struct {
    guint8 y, cb, cr, r, g, b;
  } rows[] = {{63, 102, 240, 255, 0, 0},
              {173, 42, 26, 0, 255, 0},
              {32, 240, 118, 0, 0, 255},
              {235, 128, 128, 255, 255, 255},
              {16, 128, 128, 0, 0, 0}};
  ovi_plan plan{};
  plan.width = plan.height = 32;
  plan.frame_rate = 24;
  for (const auto& row : rows) {
    for (ovi_pixel_format format : {OVI_PIXELS_I420, OVI_PIXELS_NV12, OVI_PIXELS_BGRX}) {
      std::vector<guint8> pixels;
      if (format == OVI_PIXELS_BGRX) {
        for (int i = 0; i < 1024; ++i) pixels.insert(pixels.end(), {row.b, row.g, row.r, 255});
      } else {
        pixels.assign(1024, row.y);
        for (int i = 0; i < 512; ++i)
          pixels.push_back((format == OVI_PIXELS_I420 ? i < 256 : i % 2 == 0) ? row.cb : row.cr);
      }
      GstBuffer* buffer = gst_buffer_new_memdup(pixels.data(), pixels.size());
      for (guint width : {32u, 37u}) {
        const ovii2v::Image image = ovii2v::picture_of(buffer, format, plan, width, 32);
        fail_unless_equals_int(image.pixels.size(), 3 * width * 32);
        for (size_t i = 0; i < image.pixels.size(); ++i)
          fail_unless(ABS(image.pixels[i] - (i % 3 == 0   ? row.r
                                             : i % 3 == 1 ? row.g
                                                          : row.b)) <= 3,
                      "format %d: %d at %d", format, image.pixels[i], static_cast<int>(i));
      }
      gst_buffer_unref(buffer);
    }
  }
}
GST_END_TEST

GST_START_TEST(one_clip_ahead_and_no_more) {
  for (const char* continuity : {"none", "last-frame"}) {
    fake().reset();
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source);
    g_object_set(source, "num-clips", 20, "width", 32, "height", 32, nullptr);
    gst_util_set_object_arg(G_OBJECT(source), "continuity", continuity);
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    // Two clips, and what the sinks and the frame on its way may hold.
    const int most = fake().counters().most_buffers;
    fail_unless(most <= 2 * 122 + 4, "%d buffers were alive at once", most);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    fail_unless_equals_int(fake().counters().buffers, 0);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(one_pad_alone_keeps_it_going) {
  for (bool video : {true, false}) {
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source, video, !video);
    g_object_set(source, "num-clips", 4, nullptr);
    fake().reset();
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    fail_unless_equals_int(fake().seen()->generations, 4);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(prompt_and_image_count_from_the_next_clip) {
  fake().hold(OVI_FAKE_GENERATE);
  Harnesses chain(make_chain(2));
  chain.play();
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  const std::string picture = data_file("astronaut.png");
  g_object_set(chain.source, "prompt", "dog", "image", picture.c_str(), nullptr);
  fake().release(OVI_FAKE_GENERATE);
  Pulled frames, sound;
  chain.pull_all(frames, sound);
  // The picture is larger: new caps where the clip begins.
  const auto caps = frames.of(GST_EVENT_CAPS), tags = frames.of(GST_EVENT_TAG);
  fail_unless_equals_int(caps.size(), 2);
  const int widths[] = {32, 128};
  for (int i = 0; i < 2; ++i) {
    GstCaps* one = nullptr;
    gst_event_parse_caps(caps[i], &one);
    int width = 0;
    gst_structure_get_int(gst_caps_get_structure(one, 0), "width", &width);
    fail_unless_equals_int(width, widths[i]);
    fail_unless(tag_of(tags[i], GST_TAG_TITLE) == (i ? "dog" : "A cat. <S>Meow<E>"));
  }
  fail_unless_equals_int(gst_buffer_get_size(frames.buffers[120]), 32 * 32 * 3 / 2);
  fail_unless_equals_int(gst_buffer_get_size(frames.buffers[121]), 128 * 128 * 3 / 2);
  check_continuous(frames, 24, 2 * kFrames);
}
GST_END_TEST

/// With failures=0 the first one that fails twice is an error.
GST_START_TEST(a_later_clip_may_fail) {
  for (ovi_fake_point where : {OVI_FAKE_CREATE, OVI_FAKE_ENCODE, OVI_FAKE_DECODE}) {
    fake().reset();
    fake().hold(OVI_FAKE_SECOND);
    Harnesses chain(make_chain(0));
    g_object_set(chain.source, "failures", 0, nullptr);
    chain.play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    if (where == OVI_FAKE_CREATE)
      fake().fault(OVI_FAKE_ENCODE, OVI_NO_SPACE, "Out of memory.", "");
    else if (where == OVI_FAKE_DECODE)
      fake().hold(OVI_FAKE_GENERATE);
    fake().fault(where, OVI_NO_SPACE, "Out of memory.", "");
    if (where == OVI_FAKE_DECODE) fake().fault_times(where, 0);
    fake().release(OVI_FAKE_SECOND);
    if (where == OVI_FAKE_DECODE) {
      fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
      fake().fault(where, OVI_NO_SPACE, "Out of memory.", "");
      fake().release(OVI_FAKE_GENERATE);
    }
    std::vector<Posted> all;
    const Posted error = wait_error(chain.source, &all);
    check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "Out of memory.");
    Pulled frames, sound;
    chain.pull_all(frames, sound);
    fail_unless(frames.buffers.size() <= (where == OVI_FAKE_DECODE ? kFrames * 3 / 2 : kFrames));
    gst_element_set_state(chain.source, GST_STATE_READY);
    for (const Posted& one : take_messages(chain.source)) {
      fail_unless(one.type != GST_MESSAGE_ERROR, "a second error");
      all.push_back(one);
    }
    check_progress_balance(all);
  }
}
GST_END_TEST

GST_START_TEST(without_end_until_it_is_told) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "num-clips", 0, "width", 32, "height", 32, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GAsyncQueue* made = g_async_queue_new();
  g_signal_connect(source, "notify::stats", G_CALLBACK(+[](GObject*, GParamSpec*, gpointer queue) {
                     g_async_queue_push(static_cast<GAsyncQueue*>(queue), queue);
                   }),
                   made);
  for (int i = 0; i < 5; ++i)
    fail_unless(g_async_queue_timeout_pop(made, 10 * G_USEC_PER_SEC) != nullptr);
  fail_unless(gst_element_send_event(pipeline, gst_event_new_eos()));
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
  gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  g_async_queue_unref(made);
  gst_object_unref(pipeline);
  fail_unless_equals_int(fake().counters().buffers, 0);
}
GST_END_TEST

GST_START_TEST(duration_and_seeking_are_told_as_they_are) {
  for (guint clips : {3u, 0u}) {
    Harnesses chain(make_chain(clips));
    fake().hold(OVI_FAKE_SECOND);
    chain.play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    gint64 value = -1;
    fail_unless_equals_int(gst_element_query_duration(chain.source, GST_FORMAT_TIME, &value),
                           clips != 0);
    if (clips) fail_unless_equals_int64(value, G_GINT64_CONSTANT(363) * GST_SECOND / 24);
    GstPad* pad = gst_element_get_static_pad(chain.source, "video");
    GstQuery* query = gst_query_new_seeking(GST_FORMAT_TIME);
    fail_unless(gst_pad_query(pad, query));
    gboolean seekable = TRUE;
    gst_query_parse_seeking(query, nullptr, &seekable, nullptr, nullptr);
    fail_unless(!seekable);
    gst_query_unref(query);
    gst_object_unref(pad);
    fail_unless(!gst_element_seek_simple(chain.source, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
    fake().release(OVI_FAKE_SECOND);
  }
}
GST_END_TEST

/// All that was made is played, and the next clip is not planned yet.
GST_START_TEST(between_two_clips_it_still_knows_what_it_plays) {
  fake().clip_size(12, 8000);
  GstElement* source = make_chain(3);
  GAsyncQueue* go = g_async_queue_new();
  // The worker tells of a clip before it goes on to the next.
  const gulong told = g_signal_connect(
      source, "notify::stats", G_CALLBACK(+[](GObject*, GParamSpec*, gpointer queue) {
        fail_unless(g_async_queue_timeout_pop(static_cast<GAsyncQueue*>(queue),
                                              10 * G_USEC_PER_SEC) != nullptr);
      }),
      go);
  fake().hold(OVI_FAKE_SECOND);
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  gst_harness_play(video);
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().hold(OVI_FAKE_PLAN);
  fake().release(OVI_FAKE_SECOND);
  for (int i = 0; i < 12; ++i) gst_buffer_unref(gst_harness_pull(video));
  g_async_queue_push(go, go);
  fail_unless(fake().wait(OVI_FAKE_PLAN, 10));
  gint64 value = -1;
  fail_unless(gst_element_query_duration(source, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, static_cast<gint64>(36 * GST_SECOND / 24));
  fail_unless(gst_element_query_position(source, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, static_cast<gint64>(12 * GST_SECOND / 24));
  g_signal_handler_disconnect(source, told);
  fake().release(OVI_FAKE_PLAN);
  for (int i = 0; i < 24; ++i) gst_buffer_unref(gst_harness_pull(video));
  gst_element_set_state(source, GST_STATE_READY);
  int changes = 0;
  for (const Posted& one : take_messages(source))
    changes += one.type == GST_MESSAGE_DURATION_CHANGED;
  fail_unless_equals_int(changes, 1);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_object_unref(source);
  g_async_queue_unref(go);
}
GST_END_TEST

OVI_TEST_MAIN(
    chain,
    OVI_TEST(a_hundred_clips_are_exact) OVI_TEST(what_the_sound_is_longer_is_left_out)
        OVI_TEST(silence_is_as_long_when_it_is_resampled)
            OVI_TEST(chained_clips_begin_with_the_last_frame)
                OVI_TEST(frames_go_back_to_the_right_colours) OVI_TEST(one_clip_ahead_and_no_more)
                    OVI_TEST(one_pad_alone_keeps_it_going)
                        OVI_TEST(prompt_and_image_count_from_the_next_clip)
                            OVI_TEST(a_later_clip_may_fail) OVI_TEST(without_end_until_it_is_told)
                                OVI_TEST(duration_and_seeking_are_told_as_they_are)
                                    OVI_TEST(between_two_clips_it_still_knows_what_it_plays))
