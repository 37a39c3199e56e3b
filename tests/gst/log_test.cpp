// GST_DEBUG=ovii2vsrc: each level shows what it promises, and nothing when it is off.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <mutex>

#include "fixture.h"

using namespace fixture;

namespace {

std::mutex lock;
std::vector<std::pair<GstDebugLevel, std::string>> lines;

void take_line(GstDebugCategory* category, GstDebugLevel level, const char*, const char*, int,
               GObject*, GstDebugMessage* message, gpointer) {
  if (!g_str_equal(gst_debug_category_get_name(category), "ovii2vsrc")) return;
  std::lock_guard guard(lock);
  lines.emplace_back(level, gst_debug_message_get(message));
}

/// Lines of `level` that hold `part`.
int count(GstDebugLevel level, const char* part) {
  std::lock_guard guard(lock);
  return static_cast<int>(std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
    return line.first == level && line.second.find(part) != std::string::npos;
  }));
}

void listen(GstDebugLevel level) {
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(take_line, nullptr, nullptr);
  gst_debug_set_active(TRUE);
  gst_debug_set_threshold_for_name("ovii2vsrc", level);
  fake().clip_size(12, 8000);
}

GstElement* play_clip(GstElement** source) {
  GstElement* pipeline = make_pipeline(source);
  g_object_set(*source, "image", data_file("astronaut.png").c_str(), nullptr);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  return pipeline;
}

void drop_pipeline(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

}  // namespace

GST_START_TEST(a_clip_is_shown_from_begin_to_end) {
  listen(GST_LEVEL_LOG);
  GstElement* source = nullptr;
  GstElement* pipeline = play_clip(&source);
  fail_unless_equals_int(count(GST_LEVEL_INFO, g_getenv("OVII2V_ENGINE_PATH")), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "version 0.0.0"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "prompt=cat, seed=5"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "picture of 512x512 -> clip of 128x128"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "agreed on video/x-raw"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "agreed on audio/x-raw"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "clip 0 begins, seed 5"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "clip 0 is made, seed 5, 1.500 s"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "ends: everything is played"), 2);
  for (const char* event : {"stream-start", "caps", "segment", "tag", "eos"})
    fail_unless(count(GST_LEVEL_DEBUG, (std::string("sends ") + event + " event").c_str()) == 2,
                "%s", event);
  fail_unless_equals_int(count(GST_LEVEL_DEBUG, "link: not agreed yet -> agreed"), 2);
  // 12 frames, and 8000 samples in blocks of 1024.
  fail_unless_equals_int(count(GST_LEVEL_LOG, "sends pts"), 12 + 8);
  fail_unless_equals_int(count(GST_LEVEL_LOG,
                               "pts 0:00:00.458333333, duration 0:00:00.041666667, 24576 bytes, "
                               "offset 11"),
                         1);
  drop_pipeline(pipeline);
}
GST_END_TEST

GST_START_TEST(seeks_and_ends_are_given_their_reason) {
  listen(GST_LEVEL_DEBUG);
  GstElement* source = nullptr;
  GstElement* pipeline = play_clip(&source);
  auto seek = [source](double rate) {
    return gst_element_seek(source, rate, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                            GST_SECOND / 4, GST_SEEK_TYPE_NONE, 0);
  };
  fail_unless(seek(1));
  fail_unless(!seek(-1));
  fail_unless_equals_int(count(GST_LEVEL_DEBUG, "got seek event"), 2);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "seek accepted"), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "seek refused: nothing is played backwards"), 1);
  fail_unless_equals_int(count(GST_LEVEL_DEBUG, "sends flush-start event"), 2);
  fail_unless_equals_int(count(GST_LEVEL_LOG, ""), 0);
  gst_element_set_state(pipeline, GST_STATE_READY);

  // Cancelled in its midst, and broken.
  fake().hold(OVI_FAKE_GENERATE);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  gst_element_set_state(pipeline, GST_STATE_READY);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "clip 0 ended: cancelled"), 1);
  fake().release(OVI_FAKE_GENERATE);
  take_messages(pipeline);  // the EOS after the seek
  fake().fault(OVI_FAKE_GENERATE, OVI_FAILED, "Thing X is wrong.", "");
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_ERROR);
  gst_element_set_state(pipeline, GST_STATE_READY);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "clip 0 ended: Thing X is wrong."), 1);
  fail_unless_equals_int(count(GST_LEVEL_INFO, "fails: Thing X is wrong."), 1);
  drop_pipeline(pipeline);
}
GST_END_TEST

GST_START_TEST(nothing_is_shown_when_it_is_off) {
  listen(GST_LEVEL_WARNING);
  GstElement* source = nullptr;
  drop_pipeline(play_clip(&source));
  fail_unless_equals_int(lines.size(), 0);
}
GST_END_TEST

OVI_TEST_MAIN(log, OVI_TEST(a_clip_is_shown_from_begin_to_end)
                       OVI_TEST(seeks_and_ends_are_given_their_reason)
                           OVI_TEST(nothing_is_shown_when_it_is_off))
