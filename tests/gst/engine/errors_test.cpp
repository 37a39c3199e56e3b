// Every row of the error table: one message of the right kind, balanced progress,
// EOS on both pads, and an element that works again.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

void check_works_again(GstElement* pipeline, GstElement* source) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fake().reset();
  g_object_set(source, "prompt", "cat", "shift", 5.0, "model-path", ".", "width", 0, "height", 0,
               nullptr);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
}

}  // namespace

GST_START_TEST(an_engine_error_is_told_once) {
  const struct {
    ovi_status status;
    GQuark domain;
    int code;
  } rows[] = {{OVI_NOT_FOUND, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND},
              {OVI_NOT_AUTHORIZED, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
              {OVI_OPEN_READ, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ},
              {OVI_READ, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ},
              {OVI_FORMAT, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT},
              {OVI_LIBRARY_INIT, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT},
              {OVI_NO_SPACE, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT},
              {OVI_SETTINGS, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS},
              {OVI_FAILED, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED}};
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  for (const auto& row : rows) {
    for (int point = OVI_FAKE_CREATE; point < OVI_FAKE_POINTS; ++point) {
      fake().fault(static_cast<ovi_fake_point>(point), row.status, "Thing X is wrong, do Y.",
                   "expected 1, found 2");
      gst_element_set_state(pipeline, GST_STATE_PLAYING);
      std::vector<Posted> all;
      const Posted error = wait_error(pipeline, &all);
      check_error(error, row.domain, row.code, "Thing X is wrong, do Y.");
      fail_unless(error.debug.find("expected 1, found 2") != std::string::npos);
      // READY, not NULL, which would flush the bus.
      gst_element_set_state(pipeline, GST_STATE_READY);
      int errors = 0;
      bool error_seen = false;
      for (const Posted& one : take_messages(pipeline)) all.push_back(one);
      for (const Posted& one : all) {
        if (one.type == GST_MESSAGE_ERROR) {
          ++errors;
          error_seen = true;
        }
        if (one.type == GST_MESSAGE_PROGRESS && one.progress == GST_PROGRESS_TYPE_ERROR)
          fail_unless(error_seen, "PROGRESS ERROR comes before the error");
      }
      fail_unless_equals_int(errors, 1);
      // What comes before any work is told by the state change.
      fail_unless((check_progress_balance(all) >= 1) == (point > OVI_FAKE_PLAN));
      // A wrong setting keeps the model; the next row is to meet none.
      gst_element_set_state(pipeline, GST_STATE_NULL);
      fake().reset();
    }
  }
  check_works_again(pipeline, source);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(both_pads_end_after_an_error) {
  fake().fault(OVI_FAKE_GENERATE, OVI_FAILED, "broken", "");
  GstElement* source = make_source();
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  GstHarness* audio = gst_harness_new_with_element(source, nullptr, "audio");
  gst_harness_play(video);
  for (GstHarness* harness : {video, audio}) {
    GstEvent* event = nullptr;
    while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_EOS)
      gst_event_unref(event);
    fail_unless(event != nullptr, "no EOS");
    gst_event_unref(event);
  }
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_harness_teardown(audio);
  gst_object_unref(source);
}
GST_END_TEST

GST_START_TEST(wrong_settings_stop_the_state_change) {
  auto expect = [](GstElement* source, GQuark domain, int code, const char* part) {
    fail_unless_equals_int(gst_element_set_state(source, GST_STATE_PAUSED),
                           GST_STATE_CHANGE_FAILURE);
    std::vector<Posted> all;
    check_error(wait_error(source, &all), domain, code, part);
    fail_unless_equals_int(check_progress_balance(all), 0);
    // The same instance, with everything put right.
    gst_element_set_state(source, GST_STATE_READY);
    g_object_set(source, "prompt", "cat", "audio-negative-prompt", "", "video-negative-prompt", "",
                 "shift", 5.0, "width", 0, "height", 0, "model-path", ".", "image", nullptr,
                 "lora", nullptr, nullptr);
    Harnesses pair(source);
    pair.play();
    Pulled frames, sound;
    pair.pull_all(frames, sound);
    fail_unless_equals_int(frames.buffers.size(), 121);
  };
  for (const char* prompt : {static_cast<const char*>(nullptr), "", " \n\t"}) {
    GstElement* source = make_source();
    g_object_set(source, "prompt", prompt, nullptr);
    expect(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "prompt");
  }
  for (const char* name : {"prompt", "audio-negative-prompt", "video-negative-prompt"}) {
    GstElement* source = make_source();
    g_object_set(source, name, "caf\xe9", nullptr);
    expect(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "UTF-8");
  }
  for (const auto& [lora, part] : {std::pair{"a:1,", "without a file"}, {"a:11", "-10 to 10"},
                                   {"a:nan", "-10 to 10"}, {"caf\xe9", "UTF-8"}}) {
    GstElement* source = make_source();
    g_object_set(source, "lora", lora, nullptr);
    expect(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, part);
  }
  GstElement* source = make_source();
  g_object_set(source, "lora", "/no/such.safetensors:0.5", nullptr);
  expect(source, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/no/such.safetensors does not");
  source = make_source();
  g_object_set(source, "width", 640, "height", 31, nullptr);
  expect(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "32 at least");
  source = make_source();
  g_object_set(source, "width", 640, nullptr);
  expect(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "height");
  source = make_source();
  g_object_set(source, "model-path", nullptr, nullptr);
  expect(source, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "OVI_MODEL_PATH");
  // At once, too: what a look at the file system tells.
  source = make_source();
  g_object_set(source, "model-path", "/nonexistent/ovi", nullptr);
  expect(source, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/ovi");
  source = make_source();
  g_object_set(source, "image", "/nonexistent.png", nullptr);
  expect(source, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent.png");
}
GST_END_TEST

GST_START_TEST(warnings_name_tag_and_place) {
  fake().warn(OVI_WARNING_TAGS, 7, "<S> is never closed.");
  fake().warn(OVI_WARNING_TRUNCATED, -1, "The prompt is cut.");
  GstElement* pipeline = make_pipeline(nullptr);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND);
  std::vector<Posted> warnings;
  for (const Posted& one : take_messages(pipeline))
    if (one.type == GST_MESSAGE_WARNING) warnings.push_back(one);
  fail_unless_equals_int(warnings.size(), 2);
  check_error(warnings[0], GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "<S> is never closed.");
  fail_unless(warnings[0].debug.find("byte 7") != std::string::npos);
  fail_unless(warnings[1].debug.find("truncated") != std::string::npos);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

// Whatever the engine, a file's name or another element says.
GST_START_TEST(messages_are_plain_text) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  fake().fault(OVI_FAKE_GENERATE, OVI_FORMAT, "Bad \x1b[31m'\xff\xe7\x8a' \xc2\x9b\u202e.\nNext",
               "in \x1b]0;x\x07\nline two \xff");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  const Posted error = wait_error(pipeline);
  for (const std::string& text : {error.text, error.debug}) {
    fail_unless(g_utf8_validate(text.data(), static_cast<gssize>(text.size()), nullptr));
    for (const char* at = text.c_str(); *at; at = g_utf8_next_char(at)) {
      const gunichar c = g_utf8_get_char(at);
      fail_if((c < 0x20 && c != '\n') || (c >= 0x7F && c <= 0x9F) || c == 0x202E, "U+%04X", c);
    }
  }
  fail_unless(error.text.find('\n') == std::string::npos);
  fail_unless(error.text.find("Next") != std::string::npos);
  fail_unless(error.debug.find("\nline two") != std::string::npos);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(a_broken_engine_is_no_crash) {
  fake().break_frames(1);
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  check_error(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, "same release");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fail_unless_equals_int(fake().counters().buffers, 0);
  check_works_again(pipeline, source);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

OVI_TEST_MAIN(errors,
              OVI_TEST(an_engine_error_is_told_once) OVI_TEST(both_pads_end_after_an_error)
                  OVI_TEST(wrong_settings_stop_the_state_change)
                      OVI_TEST(warnings_name_tag_and_place)
                          OVI_TEST(messages_are_plain_text) OVI_TEST(a_broken_engine_is_no_crash))
