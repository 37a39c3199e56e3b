// Events that an application or a peer sends: which leave, when, and which are refused.
// SPDX-License-Identifier: Apache-2.0
#include "channel/live_fixture.h"

using namespace fixture;

namespace {

GstEvent* custom(GstEventType type, const char* name) {
  return gst_event_new_custom(type, gst_structure_new_empty(name));
}

/// The next event of that type on the pad; must come before anything is released.
void wait_for(GstHarness* harness, GstEventType type) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != type)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no %s", gst_event_type_get_name(type));
  gst_event_unref(event);
}

std::vector<GstEvent*> serialized() {
  GstToc* toc = gst_toc_new(GST_TOC_SCOPE_GLOBAL);
  std::vector<GstEvent*> events = {
      gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "mine", nullptr)),
      gst_event_new_toc(toc, FALSE),
      custom(GST_EVENT_CUSTOM_DOWNSTREAM, "a"),
      custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "b"),
      custom(GST_EVENT_CUSTOM_BOTH, "c"),
      custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, "d"),
      custom(GST_EVENT_CUSTOM_BOTH_OOB, "e")};
  gst_toc_unref(toc);
  return events;
}

void send_all_and_wait(Harnesses& pads) {
  for (GstEvent* event : serialized()) {
    const GstEventType type = GST_EVENT_TYPE(event);
    fail_unless(gst_element_send_event(pads.source, event), "%s", gst_event_type_get_name(type));
    for (GstHarness* harness : {pads.video, pads.audio}) wait_for(harness, type);
  }
}

GstClockTime running_time_of(GstHarness* harness, GstBuffer* buffer) {
  GstEvent* event = gst_pad_get_sticky_event(harness->sinkpad, GST_EVENT_SEGMENT, 0);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  const GstClockTime time =
      gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  gst_event_unref(event);
  return time;
}

}  // namespace

/// The model is loaded, a clip is made, the next one is made: events do not wait for it.
GST_START_TEST(serialized_events_leave_while_a_clip_is_made) {
  for (ovi_fake_point point : {OVI_FAKE_LOAD, OVI_FAKE_GENERATE, OVI_FAKE_DECODE}) {
    fake().reset();
    fake().hold(point);
    Harnesses pads(make_source());
    Consistent consistent(pads.source);
    pads.play();
    fail_unless(fake().wait(point, 10));
    send_all_and_wait(pads);
    gst_element_set_state(pads.source, GST_STATE_READY);
  }
}
GST_END_TEST

GST_START_TEST(serialized_events_leave_between_clips) {
  fake().clip_size(3, 1900);
  fake().hold(OVI_FAKE_SECOND);
  Harnesses pads(make_source());
  g_object_set(pads.source, "num-clips", 2, nullptr);
  pads.play();
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  fake().hold(OVI_FAKE_GENERATE);
  fake().release(OVI_FAKE_SECOND);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  send_all_and_wait(pads);
}
GST_END_TEST

GST_START_TEST(serialized_events_leave_a_live_element) {
  for (const char* hold : {"none", "picture"}) {
    for (bool plays : {true, false}) {
      fake().reset();
      fake().hold(OVI_FAKE_LOAD);
      Live live;
      gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
      gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
      fail_unless(fake().wait(OVI_FAKE_LOAD, 10));
      if (plays) live.pads.play();
      if (plays) live.wait_both();
      send_all_and_wait(live.pads);  // the clock stands still
    }
  }
}
GST_END_TEST

/// After SEGMENT_DONE, which is no end.
GST_START_TEST(serialized_events_leave_after_a_segment) {
  Harnesses pads(make_source());
  gst_element_set_state(pads.source, GST_STATE_READY);
  fail_unless(gst_element_seek(pads.source, 1.0, GST_FORMAT_TIME,
                               static_cast<GstSeekFlags>(GST_SEEK_FLAG_SEGMENT), GST_SEEK_TYPE_SET,
                               0, GST_SEEK_TYPE_SET, GST_SECOND));
  pads.play();
  for (GstHarness* harness : {pads.video, pads.audio}) wait_for(harness, GST_EVENT_SEGMENT_DONE);
  send_all_and_wait(pads);
}
GST_END_TEST

/// Before the caps are known only what is not kept by pads may leave, and the order stays.
GST_START_TEST(nothing_sticky_leaves_before_the_segment) {
  Harnesses pads(make_source());
  Consistent consistent(pads.source);
  // With a picture nothing is known until it is read.
  g_object_set(pads.source, "image", data_file("astronaut.png").c_str(), nullptr);
  gst_element_set_state(pads.source, GST_STATE_PAUSED);
  for (GstEvent* event : serialized()) gst_element_send_event(pads.source, event);
  for (GstHarness* harness : {pads.video, pads.audio}) {
    Pulled all;
    do {
      GstEvent* event = gst_harness_pull_event(harness);
      fail_unless(event != nullptr);
      all.events.push_back(event);
    } while (GST_EVENT_TYPE(all.events.back()) != GST_EVENT_EOS);
    bool segment = false;
    std::string order;
    for (GstEvent* event : all.events) {
      const GstEventType type = GST_EVENT_TYPE(event);
      segment |= type == GST_EVENT_SEGMENT;
      const bool mine = type == GST_EVENT_TAG || type == GST_EVENT_TOC ||
                        type == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY;
      fail_unless(!mine || segment, "%s is early", GST_EVENT_TYPE_NAME(event));
      if (const GstStructure* s = gst_event_get_structure(event))
        for (const char* name : {"a", "b", "c"})
          if (gst_structure_has_name(s, name)) order += name;
    }
    fail_unless_equals_string(order.c_str(), "abc");
  }
}
GST_END_TEST

GST_START_TEST(what_is_not_handled_is_refused) {
  Harnesses pads(make_source());
  pads.play();
  Pulled video, audio;
  pads.pull_all(video, audio);
  GList* ids = g_list_append(nullptr, const_cast<char*>("nonsense"));
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(video.of(GST_EVENT_SEGMENT)[0], &segment);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(video.of(GST_EVENT_CAPS)[0], &caps);
  auto make = [&](int which) -> GstEvent* {
    switch (which) {
      case 0:
        return gst_event_new_select_streams(ids);
      case 1:
        return custom(GST_EVENT_CUSTOM_UPSTREAM, "x");
      case 2:
        return gst_event_new_navigation(gst_structure_new_empty("application/x-gst-navigation"));
      case 3:
        return gst_event_new_toc_select("1");
      case 4:
        return gst_event_new_step(GST_FORMAT_BUFFERS, 1, 1.0, TRUE, FALSE);
      case 5:
        return gst_event_new_custom(
            static_cast<GstEventType>(GST_EVENT_MAKE_TYPE(350, GST_EVENT_TYPE_UPSTREAM)),
            gst_structure_new_empty("y"));
      case 6:
        return gst_event_new_gap(0, GST_SECOND);
      case 7:
        return gst_event_new_segment(segment);
      case 8:
        return gst_event_new_stream_start("other");
      case 9:
        return gst_event_new_caps(caps);
      case 10:
        return gst_event_new_custom(
            static_cast<GstEventType>(
                GST_EVENT_MAKE_TYPE(351, GST_EVENT_TYPE_DOWNSTREAM | GST_EVENT_TYPE_SERIALIZED)),
            gst_structure_new_empty("z"));
      case 11:
        return gst_event_new_instant_rate_change(2.0, GST_SEGMENT_FLAG_NONE);
      default:
        return nullptr;
    }
  };
  GstPad* pad = gst_element_get_static_pad(pads.source, "video");
  for (int i = 0; GstEvent* event = make(i); ++i) {
    const bool upstream = gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_UPSTREAM;
    if (upstream) fail_unless(!gst_pad_send_event(pad, gst_event_ref(event)), "%d on the pad", i);
    fail_unless(!gst_element_send_event(pads.source, event), "%d", i);
  }
  // After EOS nothing can leave any more.
  fail_unless(!gst_element_send_event(pads.source, custom(GST_EVENT_CUSTOM_DOWNSTREAM, "late")));
  // Those of sinks are taken.
  fail_unless(gst_pad_send_event(pad, gst_event_new_latency(0)));
  fail_unless(gst_pad_send_event(pad, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.0, 0, 0)));
  fail_unless(gst_pad_send_event(pad, gst_event_new_reconfigure()));
  gst_object_unref(pad);
  g_list_free(ids);
}
GST_END_TEST

/// Part of the clip is out: what follows has the running time it would have had.
GST_START_TEST(a_flush_without_reset_keeps_running_time) {
  for (bool to_element : {true, false}) {
    for (const char* rate : {"1", "2"}) {
      fake().reset();
      fake().hold(OVI_FAKE_DECODE);
      Harnesses pads(make_source());
      gst_element_set_state(pads.source, GST_STATE_READY);
      if (*rate == '2')
        fail_unless(gst_element_seek(pads.source, 2.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                     GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1));
      pads.play();
      fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
      GstClockTime last = 0;
      for (guint i = 0; i < 60; ++i) {
        GstBuffer* buffer = gst_harness_pull(pads.video);
        last = running_time_of(pads.video, buffer);
        gst_buffer_unref(buffer);
      }
      GstPad* both[] = {gst_element_get_static_pad(pads.source, "video"),
                        gst_element_get_static_pad(pads.source, "audio")};
      auto flush = [&](GstEvent* event) {
        if (to_element) {
          fail_unless(gst_element_send_event(pads.source, event));
          return;
        }
        for (GstPad* pad : both) fail_unless(gst_pad_send_event(pad, gst_event_ref(event)));
        gst_event_unref(event);
      };
      flush(gst_event_new_flush_start());
      flush(gst_event_new_flush_stop(FALSE));
      fake().release(OVI_FAKE_DECODE);
      GstBuffer* next = gst_harness_pull(pads.video);
      fail_unless(GST_BUFFER_FLAG_IS_SET(next, GST_BUFFER_FLAG_DISCONT));
      fail_unless_equals_uint64(GST_BUFFER_OFFSET(next), 60);
      const GstClockTime step = GST_SECOND / 24 / (*rate == '2' ? 2 : 1);
      const GstClockTime now = running_time_of(pads.video, next);
      fail_unless(now > last && now - last <= step + 1, "%" GST_TIME_FORMAT, GST_TIME_ARGS(now));
      gst_buffer_unref(next);
      for (GstHarness* harness : {pads.video, pads.audio}) wait_eos(harness);
      for (GstPad* pad : both) gst_object_unref(pad);
    }
  }
}
GST_END_TEST

GST_START_TEST(a_flush_with_reset_begins_at_zero) {
  fake().hold(OVI_FAKE_DECODE);
  Harnesses pads(make_source());
  pads.play();
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  for (guint i = 0; i < 60; ++i) gst_buffer_unref(gst_harness_pull(pads.video));
  for (guint i = 0; i < 79; ++i) gst_buffer_unref(gst_harness_pull(pads.audio));
  fail_unless(gst_element_send_event(pads.source, gst_event_new_flush_start()));
  fail_unless(gst_element_send_event(pads.source, gst_event_new_flush_stop(TRUE)));
  fake().release(OVI_FAKE_DECODE);
  GstBuffer* next = gst_harness_pull(pads.video);
  fail_unless_equals_uint64(GST_BUFFER_OFFSET(next), 60);
  fail_unless_equals_uint64(running_time_of(pads.video, next), 0);
  gst_buffer_unref(next);
}
GST_END_TEST

/// The clock did not stop for it; one pad's flush is none of the other's.
GST_START_TEST(a_flush_of_a_live_element) {
  for (const char* hold : {"none", "last-frame"}) {
    for (int how = 0; how < 3; ++how) {
      fake().reset();
      Live live(0);
      fake().clip_size(30, 19900);
      gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
      gst_element_set_state(live.pads.source, GST_STATE_PAUSED);
      live.wait_made();
      live.pads.play();
      live.crank(6);
      live.wait_both();
      GstClockTime before = 0;
      while (GstBuffer* buffer = gst_harness_try_pull(live.pads.video)) {
        before = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
        gst_buffer_unref(buffer);
      }
      GstPad* pad = gst_element_get_static_pad(live.pads.source, "video");
      for (GstEvent* event : {gst_event_new_flush_start(), gst_event_new_flush_stop(FALSE)}) {
        if (how == 0)
          fail_unless(gst_element_send_event(live.pads.source, event));
        else
          fail_unless(gst_pad_send_event(pad, event));
      }
      gst_object_unref(pad);
      GstBuffer* next = nullptr;
      while (!(next = gst_harness_try_pull(live.pads.video))) live.crank(1);
      fail_unless(GST_BUFFER_FLAG_IS_SET(next, GST_BUFFER_FLAG_DISCONT));
      fail_unless(std::abs(GST_CLOCK_DIFF(before, GST_BUFFER_PTS(next))) <= 1);
      gst_buffer_unref(next);
    }
  }
}
GST_END_TEST

OVI_TEST_MAIN(events, OVI_TEST(serialized_events_leave_while_a_clip_is_made)
                          OVI_TEST(serialized_events_leave_between_clips)
                              OVI_TEST(serialized_events_leave_a_live_element)
                                  OVI_TEST(serialized_events_leave_after_a_segment)
                                      OVI_TEST(nothing_sticky_leaves_before_the_segment)
                                          OVI_TEST(what_is_not_handled_is_refused)
                                              OVI_TEST(a_flush_without_reset_keeps_running_time)
                                                  OVI_TEST(a_flush_with_reset_begins_at_zero)
                                                      OVI_TEST(a_flush_of_a_live_element))
