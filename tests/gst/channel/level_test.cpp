// A chain that is slower than the clock asks to pause; a clip that comes too late says so.
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "fixture.h"

using namespace fixture;

/// The application does as gst-launch-1.0 does.
GST_START_TEST(no_frame_is_lost_between_slow_clips) {
  // Clips of 1 s take 2.4 s: what is late without a pause is so by more than a busy machine makes it.
  g_setenv("OVI_FAKE_STEP_MS", "200", TRUE);
  fake().clip_size(24, 16000);
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(
      &source, true, true, "sync=true qos=true max-lateness=300000000 signal-handoffs=true");
  g_object_set(source, "num-clips", 3, "steps", 12, "width", 32, "height", 32, nullptr);
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "v");
  gint shown = 0;
  g_signal_connect(sink, "handoff",
                   G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, gpointer count) {
                     g_atomic_int_inc(static_cast<gint*>(count));
                   }),
                   &shown);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  int begun = 0, ended = 0;
  bool over = false;
  while (!over) {
    GstMessage* message = gst_bus_timed_pop(bus, 20 * GST_SECOND);
    fail_unless(message != nullptr, "no EOS");
    fail_unless(GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR);
    over = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_BUFFERING) {
      gint percent = -1;
      gst_message_parse_buffering(message, &percent);
      if (percent == 100) {
        fail_unless(begun > ended++, "100 without a beginning");
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
      } else if (begun == ended) {
        ++begun;
        gst_element_set_state(pipeline, GST_STATE_PAUSED);
      }
    }
    gst_message_unref(message);
  }
  fail_unless(begun > 0 && begun == ended, "%d begun, %d ended", begun, ended);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fail_unless_equals_int(g_atomic_int_get(&shown), 72);
  gst_object_unref(bus);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  g_unsetenv("OVI_FAKE_STEP_MS");
}
GST_END_TEST

/// A pad whose sink takes everything at once does not make the application wait for it: the sink
/// could not go back to PLAYING without more, which is made only when the other pad goes on.
GST_START_TEST(a_sink_that_is_not_clocked_pauses_nobody) {
  fake().clip_size(24, 16000);
  for (const char* eager : {"a", "v"}) {
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source, true, true, "sync=true");
    g_object_set(source, "num-clips", 3, "width", 32, "height", 32, nullptr);
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), eager);
    g_object_set(sink, "sync", FALSE, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    bool over = false;
    while (!over) {
      GstMessage* message = gst_bus_timed_pop(bus, 20 * GST_SECOND);
      fail_unless(message != nullptr, "no EOS with %s", eager);
      over = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_BUFFERING) {
        gint percent = -1;
        gst_message_parse_buffering(message, &percent);
        gst_element_set_state(pipeline, percent == 100 ? GST_STATE_PLAYING : GST_STATE_PAUSED);
      }
      gst_message_unref(message);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

/// The application paused for a clip that is given up, or for the rest of the only one that is
/// left.
GST_START_TEST(fewer_clips_let_the_application_go_on) {
  for (const auto& [slow, clips] :
       {std::pair("OVI_FAKE_STEP_MS", 1u), std::pair("OVI_FAKE_STEP_MS", 2u),
        std::pair("OVI_FAKE_FRAME_MS", 1u)}) {
    g_setenv(slow, "100", TRUE);
    fake().clip_size(24, 16000);
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source, true, true, "sync=true");
    g_object_set(source, "num-clips", 4, "width", 32, "height", 32, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    bool over = false, waits = false, lowered = false;
    while (!over) {
      GstMessage* message = gst_bus_timed_pop(bus, 20 * GST_SECOND);
      fail_unless(message != nullptr, "no EOS; %s, %u clips", slow, clips);
      fail_unless(GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR);
      over = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_BUFFERING) {
        gint percent = -1;
        gst_message_parse_buffering(message, &percent);
        waits = percent < 100;
        gst_element_set_state(pipeline, waits ? GST_STATE_PAUSED : GST_STATE_PLAYING);
        if (waits && !lowered) g_object_set(source, "num-clips", clips, nullptr);
        lowered |= waits;
      }
      gst_message_unref(message);
    }
    fail_unless(lowered && !waits);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(pipeline);
    g_unsetenv(slow);
  }
}
GST_END_TEST

GST_START_TEST(a_clip_that_comes_too_late_names_is_live) {
  fake().clip_size(3, 1900);
  for (bool live : {true, false}) {
    fake().hold(OVI_FAKE_GENERATE);
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source, true, true, "sync=false async=false");
    g_object_set(source, "is-live", live, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
    fail_unless(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND) !=
                GST_STATE_CHANGE_FAILURE);
    GstClock* clock = gst_element_get_clock(pipeline);
    GstClockID later =
        gst_clock_new_single_shot_id(clock, gst_element_get_base_time(pipeline) + GST_SECOND);
    gst_clock_id_wait(later, nullptr);
    gst_clock_id_unref(later);
    gst_object_unref(clock);
    fake().release(OVI_FAKE_GENERATE);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_WARNING | GST_MESSAGE_EOS));
    fail_unless(message != nullptr);
    fail_unless_equals_int(GST_MESSAGE_TYPE(message), live ? GST_MESSAGE_EOS : GST_MESSAGE_WARNING);
    if (!live) {
      GError* warning = nullptr;
      gst_message_parse_warning(message, &warning, nullptr);
      fail_unless(strstr(warning->message, "is-live") != nullptr, "%s", warning->message);
      g_error_free(warning);
    }
    gst_message_unref(message);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

/// It prerolls in PAUSED, and its time is over when it comes to PLAYING.
GST_START_TEST(a_clip_added_to_a_pipeline_that_plays_names_is_live) {
  fake().clip_size(3, 1900);
  for (bool live : {true, false}) {
    GstElement* pipeline =
        gst_parse_launch("videotestsrc is-live=true ! fakesink name=camera sync=true", nullptr);
    g_object_set(pipeline, "message-forward", TRUE, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstElement* camera = gst_bin_get_by_name(GST_BIN(pipeline), "camera");
    guint64 rendered = 0;
    while (rendered < 25) {  // of 30 a second
      g_usleep(10000);
      GstStructure* stats = nullptr;
      g_object_get(camera, "stats", &stats, nullptr);
      fail_unless(gst_structure_get_uint64(stats, "rendered", &rendered));
      gst_structure_free(stats);
    }
    gst_object_unref(camera);
    // In a bin of its own: a live source would else be left in PAUSED, as its sinks wait for it.
    GstElement* bin = gst_parse_bin_from_description(
        "ovii2vsrc name=s prompt=x model-path=. s.video ! fakesink sync=true "
        "s.audio ! fakesink sync=true",
        FALSE, nullptr);
    GstElement* source = gst_bin_get_by_name(GST_BIN(bin), "s");
    g_object_set(source, "is-live", live, nullptr);
    gst_object_unref(source);
    gst_bin_add(GST_BIN(pipeline), bin);
    gst_element_sync_state_with_parent(bin);
    GstBus* bus = gst_element_get_bus(pipeline);
    int warnings = 0;
    for (int ends = 0; ends < 1;) {
      GstMessage* message = gst_bus_timed_pop_filtered(
          bus, 20 * GST_SECOND,
          static_cast<GstMessageType>(GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT));
      fail_unless(message != nullptr);
      const GstStructure* told = gst_message_get_structure(message);
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
        g_autoptr(GError) warning = nullptr;
        gst_message_parse_warning(message, &warning, nullptr);
        fail_unless(strstr(warning->message, "is-live") != nullptr, "%s", warning->message);
        ++warnings;
      } else if (gst_structure_has_name(told, "GstBinForwarded")) {
        g_autoptr(GstMessage) inner = nullptr;
        gst_structure_get(told, "message", GST_TYPE_MESSAGE, &inner, nullptr);
        ends += GST_MESSAGE_TYPE(inner) == GST_MESSAGE_EOS;
      }
      gst_message_unref(message);
    }
    fail_unless_equals_int(warnings, live ? 0 : 1);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

OVI_TEST_MAIN(level, OVI_TEST(no_frame_is_lost_between_slow_clips)
                         OVI_TEST(a_sink_that_is_not_clocked_pauses_nobody)
                             OVI_TEST(fewer_clips_let_the_application_go_on)
                                 OVI_TEST(a_clip_that_comes_too_late_names_is_live)
                                     OVI_TEST(a_clip_added_to_a_pipeline_that_plays_names_is_live))
