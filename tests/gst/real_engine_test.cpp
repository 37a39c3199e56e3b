// The element on the real engine with a model of a few MB: what it promises is what
// comes out.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 49, kSamples = 32768;  // of tests/parity/models/tiny

struct Clip {
  std::vector<GstClockTime> times;
  std::string frames, sound;
  GstClockTime end[2] = {};
};

void take(GstHarness* harness, std::string& bytes, GstClockTime& end, guint* count) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_EOS)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no EOS");
  gst_event_unref(event);
  while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    bytes.append(reinterpret_cast<char*>(map.data), map.size);
    gst_buffer_unmap(buffer, &map);
    end = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
    ++*count;
    gst_buffer_unref(buffer);
  }
}

std::string model() { return std::string(g_getenv("OVI_TEST_DATA")) + "/models/tiny"; }

GstElement* make_real(gint64 seed) {
  GstElement* source = make_source();
  const std::string path = model(), image = data_file("astronaut.png");
  g_object_set(source, "model-path", path.c_str(), "image", image.c_str(), "steps", 2, "slg-layer",
               1, "seed", seed, "device", "cpu", nullptr);
  return source;
}

Clip make_clip(gint64 seed) {
  GstElement* source = make_real(seed);
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  GstHarness* audio = gst_harness_new_with_element(source, nullptr, "audio");
  gst_harness_set_sink_caps_str(video, "video/x-raw,format=RGB");
  gst_harness_set_sink_caps_str(audio, "audio/x-raw,format=F32LE");
  // A real generation takes longer than a harness waits.
  gst_harness_play(video);
  GstBus* bus = gst_element_get_bus(source);
  bool done = false;
  while (!done) {
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 300 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR));
    fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS, "%" GST_PTR_FORMAT,
                message);
    GstProgressType type;
    char* code = nullptr;
    gst_message_parse_progress(message, &type, &code, nullptr);
    done = type == GST_PROGRESS_TYPE_COMPLETE && g_str_equal(code, "decode");
    g_free(code);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  Clip clip;
  guint frames = 0, blocks = 0;
  take(video, clip.frames, clip.end[0], &frames);
  take(audio, clip.sound, clip.end[1], &blocks);
  fail_unless_equals_int(frames, kFrames);
  fail_unless_equals_int(blocks, kSamples / 1024);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_harness_teardown(audio);
  gst_object_unref(source);
  return clip;
}

}  // namespace

GST_START_TEST(a_clip_of_the_promised_length) {
  const Clip clip = make_clip(7);
  fail_unless_equals_uint64(clip.end[0], kFrames * GST_SECOND / 24);
  fail_unless_equals_uint64(clip.end[1], guint64{kSamples} * GST_SECOND / 16000);
  fail_unless_equals_int(clip.sound.size(), kSamples * sizeof(float));
  fail_unless_equals_int(clip.frames.size() % (kFrames * 3 * 32 * 32), 0);
  const auto* samples = reinterpret_cast<const float*>(clip.sound.data());
  for (guint i = 0; i < kSamples; ++i)
    fail_unless(isfinite(samples[i]) && fabsf(samples[i]) <= 1.5f, "sample %u is %f", i,
                static_cast<double>(samples[i]));
}
GST_END_TEST

GST_START_TEST(a_seed_is_a_clip) {
  const Clip first = make_clip(7), again = make_clip(7), other = make_clip(8);
  fail_unless(first.frames == again.frames && first.sound == again.sound);
  fail_unless(first.frames != other.frames && first.sound != other.sound);
}
GST_END_TEST

GST_START_TEST(it_is_cancelled_in_the_midst) {
  GstElement* source = make_real(7);
  g_object_set(source, "steps", 1000, nullptr);
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  gst_harness_play(video);
  GstBus* bus = gst_element_get_bus(source);
  for (bool generating = false; !generating;) {
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 300 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR));
    fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS);
    char* code = nullptr;
    gst_message_parse_progress(message, nullptr, &code, nullptr);
    generating = g_str_equal(code, "generate");
    g_free(code);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  // A thousand steps take minutes; the test's time limit is shorter than that.
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_object_unref(source);
}
GST_END_TEST

GST_START_TEST(a_missing_model_is_told_with_its_name) {
  GstElement* source = make_real(7);
  g_object_set(source, "model-path", "/nonexistent/ovi", nullptr);
  gst_element_set_state(source, GST_STATE_PLAYING);
  check_error(wait_error(source), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
              "/nonexistent/ovi");
  drop(source);
}
GST_END_TEST

OVI_TEST_MAIN(real_engine, OVI_TEST(a_clip_of_the_promised_length) OVI_TEST(a_seed_is_a_clip)
                               OVI_TEST(it_is_cancelled_in_the_midst)
                                   OVI_TEST(a_missing_model_is_told_with_its_name))
