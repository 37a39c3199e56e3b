// A process that gets no more memory: every large request of the element refused in turn is an
// error that says so, never the process's end, and the next clip is made.
// SPDX-License-Identifier: Apache-2.0
#include "no_memory.h"

#include <gst/video/video.h>

#include <functional>

#include "picture/pictures.h"

using namespace fixture;
namespace no_memory = ovi::no_memory;

namespace {

using Set = std::function<void(GstElement*)>;

struct Ended {
  GstMessageType type;
  Posted error;
};

/// From making the element to its end.
Ended play(const Set& set) {
  g_setenv("OVI_FAKE_MOST_SIDE", "512", TRUE);  // frames that are large
  fake().clip_size(6, 4000);
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  set(source);
  Ended ended{};
  ended.type = play_to_end(pipeline, &ended.error);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return ended;
}

/// Each large request refused alone, then together with all later ones.
void refuse_each(const Set& set, int least) {
  fail_unless(play(set).type == GST_MESSAGE_EOS);  // what is made once in a process
  no_memory::refuse_memory(0);
  fail_unless(play(set).type == GST_MESSAGE_EOS);
  const int64_t count = no_memory::stop();
  fail_unless(count >= least, "%d large requests", static_cast<int>(count));
  int told = 0;
  for (const bool all_after : {false, true}) {
    for (int64_t number = 1; number <= count; ++number) {
      no_memory::refuse_memory(number, all_after);
      const Ended ended = play(set);
      no_memory::stop();
      fail_unless(ended.type == GST_MESSAGE_EOS || ended.type == GST_MESSAGE_ERROR);
      if (ended.type == GST_MESSAGE_ERROR) {
        ++told;
        check_error(ended.error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "memory");
      }
      const Ended after = play(set);
      fail_unless(after.type == GST_MESSAGE_EOS, "after request %d: %s", static_cast<int>(number),
                  after.error.text.c_str());
    }
  }
  fail_unless(told > 0);
}

GstSample* sample_of(const char* format, guint width, guint height) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, gst_video_format_from_string(format), width, height);
  GstBuffer* buffer = gst_buffer_new();
  for (gsize at = 0; at < info.size; at += 50000) {  // several memories
    const gsize part = MIN(gsize{50000}, info.size - at);
    buffer = gst_buffer_append(buffer, gst_buffer_new_allocate(nullptr, part, nullptr));
  }
  gst_buffer_memset(buffer, 0, 99, info.size);
  GstCaps* caps = gst_video_info_to_caps(&info);
  GstSample* sample = gst_sample_new(buffer, caps, nullptr, nullptr);
  gst_caps_unref(caps);
  gst_buffer_unref(buffer);
  return sample;
}

}  // namespace

GST_START_TEST(a_picture_and_the_clip_of_it) {
  const std::string path = data_file("astronaut.png");
  refuse_each([&path](GstElement* source) { g_object_set(source, "image", path.c_str(), nullptr); },
              3);
}
GST_END_TEST

GST_START_TEST(a_data_uri) {
  char* file = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(data_file("astronaut.png").c_str(), &file, &size, nullptr));
  g_autofree char* text = g_base64_encode(reinterpret_cast<guchar*>(file), size);
  g_free(file);
  const std::string uri = std::string("data:image/png;base64,") + text;
  // Setting it is GObject's and the application's.
  static GstElement* source = nullptr;
  fake().clip_size(6, 4000);
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", uri.c_str(), nullptr);
  auto run = [&](Posted& error) {
    const GstMessageType type = play_to_end(pipeline, &error);
    gst_element_set_state(pipeline, GST_STATE_READY);
    take_messages(pipeline);
    return type;
  };
  Posted error;
  fail_unless(run(error) == GST_MESSAGE_EOS);
  no_memory::refuse_memory(0);
  fail_unless(run(error) == GST_MESSAGE_EOS);
  const int64_t count = no_memory::stop();
  fail_unless(count >= 3);
  for (int64_t number = 1; number <= count; ++number) {
    no_memory::refuse_memory(number);
    const GstMessageType type = run(error);
    no_memory::stop();
    if (type != GST_MESSAGE_EOS)
      check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "memory");
    fail_unless(run(error) == GST_MESSAGE_EOS, "%s", error.text.c_str());
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(clips_that_begin_with_the_last_frame) {
  refuse_each(
      [](GstElement* source) {
        g_object_set(source, "num-clips", 2, "width", 256, "height", 256, nullptr);
        gst_util_set_object_arg(G_OBJECT(source), "continuity", "last-frame");
      },
      3);
}
GST_END_TEST

GST_START_TEST(what_is_shown_until_then) {
  refuse_each(
      [](GstElement* source) {
        g_object_set(source, "is-live", TRUE, "width", 256, "height", 256, nullptr);
        gst_util_set_object_arg(G_OBJECT(source), "hold", "picture");
      },
      2);
}
GST_END_TEST

GST_START_TEST(samples) {
  for (const char* format : {"I420", "RGB", "v210"}) {
    GstSample* sample = sample_of(format, 320, 240);
    refuse_each(
        [sample](GstElement* source) { g_object_set(source, "image-sample", sample, nullptr); }, 3);
    gst_sample_unref(sample);
  }
}
GST_END_TEST

OVI_TEST_MAIN(no_memory, OVI_TEST(a_picture_and_the_clip_of_it) OVI_TEST(a_data_uri)
                             OVI_TEST(clips_that_begin_with_the_last_frame)
                                 OVI_TEST(what_is_shown_until_then) OVI_TEST(samples))
