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

/// As an encoder with impossible settings: its query says yes, the CAPS event is refused.
static GstPadEventFunction sinks_own = nullptr;
static gboolean refuse_caps(GstPad* pad, GstObject* parent, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return sinks_own(pad, parent, event);
  gst_event_unref(event);
  return FALSE;
}

GST_START_TEST(caps_refused_further_behind_are_an_error_before_the_model_is_loaded) {
  for (const char* line :
       {"s.video ! fakesink name=r  s.audio ! fakesink",
        "s.video ! identity ! identity ! fakesink name=r  s.audio ! fakesink",
        "s.video ! queue ! identity ! fakesink name=r  s.audio ! fakesink",
        "s.video ! tee name=t ! queue ! fakesink  t. ! queue ! fakesink name=r  s.audio ! fakesink",
        "s.video ! videoconvert ! queue ! fakesink name=r  s.audio ! fakesink",
        "s.video ! fakesink  s.audio ! queue ! queue2 ! fakesink name=r"}) {
    fake().reset();
    const int loaded = fake().counters().models_loaded;
    GstElement* pipeline = gst_parse_launch(
        (std::string("ovii2vsrc name=s prompt=x model-path=. ") + line).c_str(), nullptr);
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "r");
    GstPad* pad = gst_element_get_static_pad(sink, "sink");
    sinks_own = GST_PAD_EVENTFUNC(pad);
    gst_pad_set_event_function(pad, refuse_caps);
    gst_object_unref(pad);
    gst_object_unref(sink);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    const Posted error = wait_error(pipeline);
    check_error(error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "r behind the");
    fail_unless(error.text.find("convert") != std::string::npos);
    fail_unless_equals_int(fake().counters().models_loaded, loaded);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
  // What only a query tells, behind what hands it on.
  for (const char* between : {"queue", "identity", "tee", "queue ! tee ! queue2"}) {
    fake().reset();
    const int loaded = fake().counters().models_loaded;
    GstElement* pipeline =
        gst_parse_launch((std::string("ovii2vsrc name=s prompt=x model-path=. s.video ! ") +
                          between + " ! video/x-raw,width=64 ! fakesink s.audio ! fakesink")
                             .c_str(),
                         nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    check_error(wait_error(pipeline), GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "videoscale");
    fail_unless_equals_int(fake().counters().models_loaded, loaded);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

/// What the application holds back was refused by nobody.
GST_START_TEST(a_blocked_pad_further_behind_is_no_refusal) {
  fake().hold(OVI_FAKE_LOAD);
  GstElement* pipeline = gst_parse_launch(
      "ovii2vsrc name=s prompt=x model-path=. s.video ! queue name=q ! fakesink  s.audio ! "
      "fakesink",
      nullptr);
  GstElement* queue = gst_bin_get_by_name(GST_BIN(pipeline), "q");
  GstPad* pad = gst_element_get_static_pad(queue, "src");
  const gulong probe = gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        // Else the queue would answer no query.
        return info->type & GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM ? GST_PAD_PROBE_PASS
                                                                : GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  fail_unless(gst_bus_timed_pop_filtered(bus, 300 * GST_MSECOND, GST_MESSAGE_ERROR) == nullptr);
  gst_object_unref(bus);
  gst_pad_remove_probe(pad, probe);
  fail_unless(fake().wait(OVI_FAKE_LOAD, 10));
  fake().release(OVI_FAKE_LOAD);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pad);
  gst_object_unref(queue);
  gst_object_unref(pipeline);
}
GST_END_TEST

/// What each pad's push may return, beside what the other's does.
GST_START_TEST(flow_returns_of_both_pads) {
  struct Case {
    GstFlowReturn video, audio;
    GstMessageType end;
    const char* text;
  };
  const Case cases[] = {
      {GST_FLOW_CUSTOM_SUCCESS, GST_FLOW_OK, GST_MESSAGE_EOS, ""},
      {GST_FLOW_OK, GST_FLOW_CUSTOM_SUCCESS_2, GST_MESSAGE_EOS, ""},
      {static_cast<GstFlowReturn>(1), static_cast<GstFlowReturn>(120), GST_MESSAGE_EOS, ""},
      {GST_FLOW_CUSTOM_ERROR, GST_FLOW_OK, GST_MESSAGE_ERROR, "(-100)"},
      {GST_FLOW_OK, GST_FLOW_CUSTOM_ERROR_2, GST_MESSAGE_ERROR, "(-102)"},
      {GST_FLOW_EOS, GST_FLOW_NOT_LINKED, GST_MESSAGE_EOS, ""},
      {GST_FLOW_NOT_LINKED, GST_FLOW_EOS, GST_MESSAGE_EOS, ""},
      {GST_FLOW_EOS, GST_FLOW_EOS, GST_MESSAGE_EOS, ""},
      {GST_FLOW_NOT_LINKED, GST_FLOW_NOT_LINKED, GST_MESSAGE_ERROR, "linked"},
      {GST_FLOW_NOT_LINKED, GST_FLOW_CUSTOM_SUCCESS_1, GST_MESSAGE_EOS, ""},
      {GST_FLOW_EOS, GST_FLOW_CUSTOM_ERROR, GST_MESSAGE_ERROR, "audio"},
  };
  for (const Case& one : cases) {
    fake().reset();
    Harnesses pads(make_source());
    GstPad* both[] = {gst_element_get_static_pad(pads.source, "video"),
                      gst_element_get_static_pad(pads.source, "audio")};
    for (int i = 0; i < 2; ++i) {
      const GstFlowReturn flow = i ? one.audio : one.video;
      if (flow != GST_FLOW_OK)
        gst_pad_add_probe(both[i], GST_PAD_PROBE_TYPE_BUFFER, answer, GINT_TO_POINTER(flow),
                          nullptr);
      gst_object_unref(both[i]);
    }
    pads.play();
    if (one.end == GST_MESSAGE_ERROR) {
      const Posted error = wait_error(pads.source);
      fail_unless(error.text.find(one.text) != std::string::npos, "%s", error.text.c_str());
    }
    GstHarness* harnesses[] = {pads.video, pads.audio};
    for (int i = 0; i < 2; ++i) {
      // One that nothing takes from is not told of an end that is not its own.
      if ((i ? one.audio : one.video) == GST_FLOW_NOT_LINKED && one.end == GST_MESSAGE_EOS)
        continue;
      GstEvent* event = nullptr;
      while ((event = gst_harness_pull_event(harnesses[i])) &&
             GST_EVENT_TYPE(event) != GST_EVENT_EOS)
        gst_event_unref(event);
      fail_unless(event != nullptr, "no EOS");
      gst_event_unref(event);
    }
    int errors = 0;
    for (const Posted& message : take_messages(pads.source))
      errors += message.type == GST_MESSAGE_ERROR;
    fail_unless_equals_int(errors, 0);
  }
}
GST_END_TEST

/// The collection of streams says what they are, once that is known.
GST_START_TEST(streams_carry_caps_and_tags) {
  for (bool audio_is_linked : {true, false}) {
    GstElement* pipeline = make_pipeline(nullptr, true, audio_is_linked);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstStreamCollection* last = nullptr;
    int posted = 0;
    while (GstMessage* message = gst_bus_timed_pop_filtered(
               bus, 10 * GST_SECOND,
               static_cast<GstMessageType>(GST_MESSAGE_STREAM_COLLECTION | GST_MESSAGE_EOS))) {
      const bool end = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
      if (!end) {
        gst_clear_object(&last);
        gst_message_parse_stream_collection(message, &last);
        ++posted;
      }
      gst_message_unref(message);
      if (end) break;
    }
    gst_object_unref(bus);
    fail_unless_equals_int(posted, 2);
    fail_unless_equals_int(gst_stream_collection_get_size(last), 2);
    for (guint i = 0; i < 2; ++i) {
      GstStream* stream = gst_stream_collection_get_stream(last, i);
      GstCaps* caps = gst_stream_get_caps(stream);
      GstTagList* tags = gst_stream_get_tags(stream);
      fail_unless(caps && gst_caps_is_fixed(caps) && tags);
      const char* media = gst_structure_get_name(gst_caps_get_structure(caps, 0));
      fail_unless_equals_string(media, i ? "audio/x-raw" : "video/x-raw");
      fail_unless_equals_int(gst_stream_get_stream_type(stream),
                             i ? GST_STREAM_TYPE_AUDIO : GST_STREAM_TYPE_VIDEO);
      fail_unless(g_str_has_suffix(gst_stream_get_stream_id(stream), i ? "/audio" : "/video"));
      fail_unless_equals_int(gst_stream_get_stream_flags(stream), GST_STREAM_FLAG_SELECT);
      g_autofree char* title = nullptr;
      fail_unless(gst_tag_list_get_string(tags, GST_TAG_TITLE, &title));
      fail_unless_equals_string(title, "cat");
      gst_caps_unref(caps);
      gst_tag_list_unref(tags);
    }
    gst_object_unref(last);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

OVI_TEST_MAIN(
    links,
    OVI_TEST(one_pad_is_enough) OVI_TEST(no_pad_is_an_error_before_the_model_is_loaded)
        OVI_TEST(refused_caps_are_an_error_before_the_model_is_loaded)
            OVI_TEST(a_late_link_gets_the_whole_clip) OVI_TEST(an_unlinked_ghost_pad_is_unlinked)
                OVI_TEST(what_downstream_says_is_heard)
                    OVI_TEST(caps_refused_further_behind_are_an_error_before_the_model_is_loaded)
                        OVI_TEST(a_blocked_pad_further_behind_is_no_refusal)
                            OVI_TEST(flow_returns_of_both_pads)
                                OVI_TEST(streams_carry_caps_and_tags))
