// Pads that are linked, not linked, linked late, or linked to the wrong thing.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

int count_buffers(GstElement* pipeline, const char* sink_name, int* count) {
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), sink_name);
  g_object_set(sink, "signal-handoffs", TRUE, nullptr);
  g_signal_connect(sink, "handoff", G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, gpointer n) {
                     g_atomic_int_inc(static_cast<int*>(n));
                   }),
                   count);
  gst_object_unref(sink);
  return 0;
}

}  // namespace

GST_START_TEST(one_pad_is_enough) {
  for (bool video : {true, false}) {
    GstElement* pipeline = make_pipeline(nullptr, video, !video);
    int count = 0;
    count_buffers(pipeline, video ? "v" : "a", &count);
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    fail_unless_equals_int(count, video ? 121 : 79);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(no_pad_is_an_error_before_the_model_is_loaded) {
  const int loaded = fake().counters().models_loaded;
  GstElement* pipeline = make_pipeline(nullptr, false, false);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  check_error(wait_error(pipeline), GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "link");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fail_unless_equals_int(fake().counters().models_loaded, loaded);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(refused_caps_are_an_error_before_the_model_is_loaded) {
  const int loaded = fake().counters().models_loaded;
  for (const char* line :
       {"ovii2vsrc name=s prompt=x model-path=. s.video ! video/x-raw,width=64 ! fakesink "
        "s.audio ! fakesink",
        "ovii2vsrc name=s prompt=x model-path=. s.video ! fakesink s.audio ! identity ! "
        "capsfilter caps=audio/x-raw,rate=16000,channels=1,format=S16LE name=f ! fakesink"}) {
    const bool fits = strstr(line, "identity");
    GstElement* pipeline = gst_parse_launch(line, nullptr);
    Posted error;
    fail_unless_equals_int(play_to_end(pipeline, &error),
                           fits ? GST_MESSAGE_EOS : GST_MESSAGE_ERROR);
    if (!fits) {
      check_error(error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "video pad");
      fail_unless(error.debug.find("128") != std::string::npos, "%s", error.debug.c_str());
      fail_unless_equals_int(fake().counters().models_loaded, loaded);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
  // The rate of frames and samples is never changed.
  GError* error = nullptr;
  GstElement* wrong =
      gst_parse_launch_full("ovii2vsrc name=s s.video ! video/x-raw,framerate=30/1 ! fakesink",
                            nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  fail_unless(wrong == nullptr && error != nullptr);
  g_clear_error(&error);
}
GST_END_TEST

GST_START_TEST(a_late_link_gets_the_whole_clip) {
  for (bool in_generation : {true, false}) {
    fake().reset();
    if (in_generation) fake().hold(OVI_FAKE_GENERATE);
    GstElement* source = nullptr;
    // The audio sink waits in preroll, so that nothing ends before the late link.
    GstElement* pipeline = make_pipeline(&source, false, true);
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    if (in_generation)
      fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
    else
      fail_unless_equals_int(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND),
                             GST_STATE_CHANGE_SUCCESS);
    GstElement* bin = GST_ELEMENT(gst_element_get_parent(source));
    GstElement* sink = gst_element_factory_make("fakesink", "v");
    g_object_set(sink, "sync", FALSE, nullptr);
    gst_bin_add(GST_BIN(bin), sink);
    int count = 0;
    count_buffers(pipeline, "v", &count);
    gst_element_sync_state_with_parent(sink);
    fail_unless(gst_element_link_pads(source, "video", sink, "sink"));
    gst_object_unref(bin);
    if (in_generation) fake().release(OVI_FAKE_GENERATE);
    Posted error;
    fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_EOS);
    fail_unless_equals_int(count, 121);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(an_unlinked_ghost_pad_is_unlinked) {
  GstElement* source = make_source();
  GstElement* bin = gst_bin_new(nullptr);
  gst_bin_add(GST_BIN(bin), source);
  GstPad* inner = gst_element_get_static_pad(source, "video");
  gst_element_add_pad(bin, gst_ghost_pad_new("video", inner));
  gst_object_unref(inner);
  GstElement* pipeline = gst_pipeline_new(nullptr);
  gst_bin_add(GST_BIN(pipeline), bin);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  check_error(wait_error(pipeline), GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "link");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  gst_object_unref(source);
}
GST_END_TEST

static GstPadProbeReturn answer(GstPad*, GstPadProbeInfo* info, gpointer flow) {
  gst_buffer_unref(GST_PAD_PROBE_INFO_BUFFER(info));
  GST_PAD_PROBE_INFO_DATA(info) = nullptr;
  GST_PAD_PROBE_INFO_FLOW_RETURN(info) = static_cast<GstFlowReturn>(GPOINTER_TO_INT(flow));
  return GST_PAD_PROBE_HANDLED;
}

GST_START_TEST(what_downstream_says_is_heard) {
  for (GstFlowReturn flow : {GST_FLOW_EOS, GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED}) {
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source);
    GstPad* pad = gst_element_get_static_pad(source, "video");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, answer, GINT_TO_POINTER(flow), nullptr);
    gst_object_unref(pad);
    int count = 0;
    count_buffers(pipeline, "a", &count);
    Posted error;
    if (flow == GST_FLOW_EOS) {
      // That pad ends, the other one goes on.
      fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_EOS);
      fail_unless_equals_int(count, 79);
    } else {
      fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
      check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "Internal data stream");
      fail_unless(error.debug.find("video") != std::string::npos);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

OVI_TEST_MAIN(links,
              OVI_TEST(one_pad_is_enough) OVI_TEST(no_pad_is_an_error_before_the_model_is_loaded)
                  OVI_TEST(refused_caps_are_an_error_before_the_model_is_loaded)
                      OVI_TEST(a_late_link_gets_the_whole_clip)
                          OVI_TEST(an_unlinked_ghost_pad_is_unlinked)
                              OVI_TEST(what_downstream_says_is_heard))
