// What a clip is about to become: the messages while it is made.
// SPDX-License-Identifier: Apache-2.0
#include <gst/video/video.h>

#include <functional>

#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 12, kSamples = 8000;

struct Preview {
  guint64 index = 0;
  guint step = 0, steps = 0, frame = 0;
  GstClockTime running_time = 0;
  GstSample* sample = nullptr;  // of the message, which lives as long as the log
};

/// The previews that were posted.
struct Log {
  explicit Log(GstElement* element) : bus(gst_element_get_bus(element)) {
    gst_bus_set_sync_handler(
        bus,
        [](GstBus*, GstMessage* message, gpointer self) {
          static_cast<Log*>(self)->add(message);
          return GST_BUS_PASS;
        },
        this, nullptr);
  }
  ~Log() {
    gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
    gst_object_unref(bus);
    for (GstMessage* message : messages) gst_message_unref(message);
  }
  void add(GstMessage* message) {
    if (!gst_message_has_name(message, "ovii2v-preview")) return;
    messages.push_back(gst_message_ref(message));
    if (on_preview) on_preview();
  }
  std::vector<Preview> previews() const {
    std::vector<Preview> found;
    for (GstMessage* message : messages) {
      Preview one;
      const GstStructure* fields = gst_message_get_structure(message);
      fail_unless_equals_int(gst_structure_n_fields(fields), 6);
      fail_unless(gst_structure_get_uint64(fields, "index", &one.index));
      fail_unless(gst_structure_get_uint(fields, "step", &one.step));
      fail_unless(gst_structure_get_uint(fields, "steps", &one.steps));
      fail_unless(gst_structure_get_uint(fields, "frame", &one.frame));
      fail_unless(gst_structure_get_clock_time(fields, "running-time", &one.running_time));
      one.sample = gst_value_get_sample(gst_structure_get_value(fields, "sample"));
      fail_unless(GST_IS_SAMPLE(one.sample));
      found.push_back(one);
    }
    return found;
  }

  GstBus* bus;
  std::vector<GstMessage*> messages;
  std::function<void()> on_preview;  // before the engine goes on
};

GstElement* make_shown(guint clips, guint steps, guint preview) {
  GstElement* source = make_source();
  fake().reset();
  fake().clip_size(kFrames, kSamples);
  g_object_set(source, "num-clips", clips, "width", 64, "height", 32, "steps", steps, "preview",
               preview, nullptr);
  return source;
}

void play_through(GstElement* source) {
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  GstHarness* audio = gst_harness_new_with_element(source, nullptr, "audio");
  gst_element_set_state(source, GST_STATE_PLAYING);
  gst_harness_play(video);
  gst_harness_play(audio);
  wait_eos(video);
  wait_eos(audio);
  gst_element_set_state(source, GST_STATE_READY);
  gst_harness_teardown(video);
  gst_harness_teardown(audio);
}

}  // namespace

GST_START_TEST(every_nth_step_of_every_clip_is_shown) {
  g_autoptr(GstElement) source = make_shown(2, 7, 3);
  Log log(source);
  play_through(source);
  const auto previews = log.previews();
  fail_unless_equals_int(previews.size(), 4);
  for (guint i = 0; i < 4; ++i) {
    const Preview& one = previews[i];
    fail_unless_equals_uint64(one.index, i / 2);
    fail_unless_equals_int(one.step, i % 2 ? 6 : 3);
    fail_unless_equals_int(one.steps, 7);
    fail_unless_equals_int(one.frame, kFrames / 2);
    fail_unless_equals_uint64(one.running_time, i < 2 ? 0 : frame_time(kFrames));
    GstVideoInfo info;
    fail_unless(gst_video_info_from_caps(&info, gst_sample_get_caps(one.sample)));
    fail_unless_equals_int(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_RGB);
    fail_unless_equals_int(info.width, 7);
    fail_unless_equals_int(info.height, 4);
    fail_unless(gst_video_colorimetry_matches(&info.colorimetry, GST_VIDEO_COLORIMETRY_SRGB));
    const std::string bytes = bytes_of(gst_sample_get_buffer(one.sample));
    fail_unless_equals_int(bytes.size(), GST_VIDEO_INFO_SIZE(&info));
    for (guint y = 0; y < 4; ++y)
      for (guint k = 0; k < 21; ++k)
        fail_unless_equals_int(static_cast<guint8>(bytes[y * info.stride[0] + k]),
                               static_cast<guint8>(one.step + 7 * y + 3 * k));
  }
}
GST_END_TEST

GST_START_TEST(none_is_shown_by_default) {
  g_autoptr(GstElement) source = make_shown(1, 5, 0);
  Log log(source);
  play_through(source);
  fail_unless(log.messages.empty());
  fail_unless_equals_int(fake().seen()->request.preview, 0);
}
GST_END_TEST

GST_START_TEST(it_may_be_set_while_playing) {
  g_autoptr(GstElement) source = make_shown(3, 4, 4);
  Log log(source);
  log.on_preview = [&] {
    g_object_set(source, "preview", log.messages.size() == 1 ? 2 : 0, nullptr);
  };
  play_through(source);
  const auto previews = log.previews();
  // One of the first clip, two of the second, none of the third.
  fail_unless_equals_int(previews.size(), 3);
  fail_unless_equals_uint64(previews[0].index, 0);
  fail_unless_equals_uint64(previews[1].index, 1);
  fail_unless_equals_int(previews[1].step, 2);
  fail_unless_equals_int(previews[2].step, 4);
}
GST_END_TEST

GST_START_TEST(a_live_clip_has_no_time_yet_and_waits_for_no_clock) {
  Live live;
  g_object_set(live.pads.source, "steps", 3, "preview", 1, nullptr);
  Log log(live.pads.source);
  live.pads.play();
  live.wait_made();  // the clock has not moved
  const auto previews = log.previews();
  fail_unless_equals_int(previews.size(), 3);
  for (const Preview& one : previews)
    fail_unless_equals_uint64(one.running_time, GST_CLOCK_TIME_NONE);
}
GST_END_TEST

GST_START_TEST(an_application_may_stop_at_one) {
  g_setenv("OVI_FAKE_STEP_MS", "5", TRUE);
  Harnesses pads(make_shown(1, 1000, 1));
  Log log(pads.source);
  pads.play();
  GstMessage* first = nullptr;
  while ((first = gst_bus_timed_pop_filtered(log.bus, 10 * GST_SECOND, GST_MESSAGE_ELEMENT)) &&
         !gst_message_has_name(first, "ovii2v-preview"))
    gst_message_unref(first);
  fail_unless(first != nullptr, "no preview");
  gst_message_unref(first);
  gst_element_set_state(pads.source, GST_STATE_READY);
  fail_unless_equals_int(fake().counters().clips, 0);
  fail_unless(log.messages.size() < 1000);
}
GST_END_TEST

// clang-format off
OVI_TEST_MAIN(preview,
  OVI_TEST(every_nth_step_of_every_clip_is_shown)
  OVI_TEST(none_is_shown_by_default)
  OVI_TEST(it_may_be_set_while_playing)
  OVI_TEST(a_live_clip_has_no_time_yet_and_waits_for_no_clock)
  OVI_TEST(an_application_may_stop_at_one))
