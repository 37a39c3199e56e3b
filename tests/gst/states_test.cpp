// State changes, cancelling in every phase, the EOS event, several elements.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

const struct Mode {
  const char* name;
  guint clips;
  gboolean live;
} kModes[] = {{"one clip", 1, FALSE},
              {"without end", 0, FALSE},
              {"live", 1, TRUE},
              {"live without end", 0, TRUE}};

GstElement* make_mode(const Mode& mode, GstElement** source) {
  GstElement* made = nullptr;
  GstElement* pipeline = make_pipeline(&made);
  // Live ones play by the clock: short.
  if (mode.live) fake().clip_size(2, 1300);
  g_object_set(made, "num-clips", mode.clips, "is-live", mode.live, "width", 32, "height", 32,
               nullptr);
  if (source) *source = made;
  return pipeline;
}

}  // namespace

GST_START_TEST(cycles_on_one_instance) {
  for (const Mode& mode : kModes) {
    fake().reset();
    GstElement* source = nullptr;
    GstElement* pipeline = make_mode(mode, &source);
    for (int i = 0; i < 50; ++i) {
      if (i % 2 && mode.clips) {
        fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
      } else {
        // Interrupted wherever it happens to be.
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
      }
      gst_element_set_state(pipeline, i % 10 == 9 ? GST_STATE_NULL : GST_STATE_READY);
      fail_unless_equals_int(fake().counters().buffers, 0);
      // What play_to_end() saw is gone from the bus.
      const auto messages = take_messages(pipeline);
      if (i % 10 != 9 && !(i % 2 && mode.clips)) check_progress_balance(messages);
      for (const Posted& one : messages)
        fail_unless(one.type != GST_MESSAGE_ERROR, "%s: %s", mode.name, one.text.c_str());
      // READY keeps the engine's handle, NULL gives it back.
      fail_unless(fake().counters().engines <= (i % 10 == 9 ? 0 : 1));
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

// No pad linked, no bus watched, no state waited for.
GST_START_TEST(states_in_any_order_without_waiting) {
  const GstState orders[][8] = {
      {GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_READY,
       GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_NULL},
      {GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_READY, GST_STATE_PLAYING,
       GST_STATE_NULL, GST_STATE_PLAYING, GST_STATE_NULL},
      {GST_STATE_PAUSED, GST_STATE_NULL, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,
       GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_NULL}};
  for (const Mode& mode : kModes)
    for (const auto& order : orders) {
      fake().reset();
      GstElement* source = make_source();
      g_object_set(source, "num-clips", mode.clips, "is-live", mode.live, nullptr);
      for (GstState state : order) gst_element_set_state(source, state);
      fail_unless_equals_int(fake().counters().engines, 0);
      fail_unless_equals_int(fake().counters().buffers, 0);
      drop(source);
    }
}
GST_END_TEST

GST_START_TEST(ready_keeps_the_loaded_model) {
  GstElement* pipeline = make_pipeline(nullptr);
  const int loaded = fake().counters().models_loaded;
  for (int i = 0; i < 3; ++i) {
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    gst_element_set_state(pipeline, GST_STATE_READY);
  }
  fail_unless_equals_int(fake().counters().models_loaded, loaded + 1);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fail_unless_equals_int(fake().counters().engines, 0);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(stopping_cancels_in_every_phase) {
  GstElement* pipeline = make_pipeline(nullptr);
  for (int point = OVI_FAKE_LOAD; point < OVI_FAKE_POINTS; ++point) {
    fake().hold(static_cast<ovi_fake_point>(point));
    const int before = fake().counters().cancelled;
    fail_unless_equals_int(gst_element_set_state(pipeline, GST_STATE_PLAYING),
                           GST_STATE_CHANGE_ASYNC);
    fail_unless(fake().wait(static_cast<ovi_fake_point>(point), 10));
    // Without the cancel this would never return.
    gst_element_set_state(pipeline, GST_STATE_READY);
    fail_unless_equals_int(fake().counters().cancelled, before + 1);
    const auto messages = take_messages(pipeline);
    check_progress_balance(messages);
    int cancelled = 0;
    for (const Posted& one : messages) {
      fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
      cancelled += one.type == GST_MESSAGE_PROGRESS && one.progress == GST_PROGRESS_TYPE_CANCELED;
    }
    fail_unless_equals_int(cancelled, 1);
    fail_unless_equals_int(fake().counters().buffers, 0);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    fake().reset();
  }
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(an_eos_event_ends_it_at_once) {
  for (int point = OVI_FAKE_LOAD; point < OVI_FAKE_POINTS; ++point) {
    GstElement* pipeline = make_pipeline(nullptr);
    fake().hold(static_cast<ovi_fake_point>(point));
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    fail_unless(fake().wait(static_cast<ovi_fake_point>(point), 10));
    GstEvent* eos = gst_event_new_eos();
    const guint32 seqnum = gst_event_get_seqnum(eos);
    fail_unless(gst_element_send_event(pipeline, eos));
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
    fail_unless_equals_int(gst_message_get_seqnum(message), seqnum);
    gst_message_unref(message);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    fake().reset();
  }
}
GST_END_TEST

GST_START_TEST(progress_is_told_step_by_step) {
  GstElement* pipeline = make_pipeline(nullptr);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  // START is there before the state change returns.
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* first = gst_bus_pop_filtered(bus, GST_MESSAGE_PROGRESS);
  fail_unless(first != nullptr);
  gst_message_unref(first);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);

  // Alone, so that every message is seen.
  GstElement* source = make_source();
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  fake().hold(OVI_FAKE_DECODE);
  gst_harness_play(video);
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  std::vector<Posted> all = take_messages(source);
  fake().release(OVI_FAKE_DECODE);
  for (int i = 0; i < 121; ++i) gst_buffer_unref(gst_harness_pull(video));
  // Who sees the end finds everything told.
  for (bool over = false; !over;) {
    GstEvent* event = gst_harness_pull_event(video);
    fail_unless(event != nullptr);
    over = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    gst_event_unref(event);
  }
  gst_element_set_state(source, GST_STATE_READY);
  for (const Posted& one : take_messages(source)) all.push_back(one);
  fail_unless_equals_int(check_progress_balance(all), 4);
  std::vector<std::string> stages;
  int last_percent = 0;
  guint steps = 0;
  for (const Posted& one : all) {
    if (one.type != GST_MESSAGE_PROGRESS) continue;
    if (one.progress == GST_PROGRESS_TYPE_START) stages.push_back(one.stage);
    if (one.progress == GST_PROGRESS_TYPE_CONTINUE && one.stage == "generate") {
      ++steps;
      // Of the whole clip, with the usual shares of the stages: 10 steps, 1, 4, 10.
      fail_unless_equals_int(one.percent, static_cast<int>(100 * (11 + steps) / 25));
      const std::string wanted = "Clip 1 of 1: generating, step " + std::to_string(steps) +
                                 " of 4, " + std::to_string(one.percent) + " % of the clip";
      fail_unless(g_str_has_prefix(one.text.c_str(), wanted.c_str()), "%s", one.text.c_str());
      if (steps == 1) fail_unless(g_str_has_suffix(one.text.c_str(), ", 1 s left"));
    }
    fail_unless(one.percent >= last_percent, "%s", one.text.c_str());
    last_percent = one.percent;
  }
  fail_unless(stages == std::vector<std::string>({"load", "encode", "generate", "decode"}));
  fail_unless_equals_int(steps, 4);
  fail_unless_equals_int(last_percent, 100);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_object_unref(source);
}
GST_END_TEST

GST_START_TEST(it_may_go_in_any_state) {
  for (GstState state : {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING}) {
    for (const Mode& mode : kModes) {
      fake().reset();
      GstElement* pipeline = make_mode(mode, nullptr);
      gst_element_set_state(pipeline, state);
      gst_element_set_state(pipeline, GST_STATE_NULL);
      gst_object_unref(pipeline);
      fail_unless_equals_int(fake().counters().engines, 0);
      fail_unless_equals_int(fake().counters().buffers, 0);
    }
  }
}
GST_END_TEST

GST_START_TEST(two_elements_in_one_pipeline) {
  GstElement* pipeline = gst_parse_launch(
      "ovii2vsrc name=s prompt=x model-path=. seed=1 ovii2vsrc name=t prompt=y model-path=. "
      "s.video ! fakesink s.audio ! fakesink t.video ! fakesink t.audio ! fakesink",
      nullptr);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(a_prompt_set_while_playing_is_for_the_next_clip) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  fake().hold(OVI_FAKE_GENERATE);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  g_object_set(source, "prompt", "dog", nullptr);
  fake().release(OVI_FAKE_GENERATE);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  fail_unless_equals_string(fake().seen()->prompt, "cat");
  gst_element_set_state(pipeline, GST_STATE_READY);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  fail_unless_equals_string(fake().seen()->prompt, "dog");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

/// The first thread of a pad is made in the midst of the state change: the worker, which would
/// be at the plan by then, has to wait for its end. One second says that it does.
GST_START_TEST(the_worker_begins_after_the_state_change) {
  GstElement* source = make_source();
  g_object_set(source, "image", data_file("astronaut.png").c_str(), nullptr);
  static int looks, began;
  looks = began = 0;
  GstBus* bus = gst_element_get_bus(source);
  gst_bus_set_sync_handler(
      bus,
      [](GstBus*, GstMessage* message, gpointer) {
        GstStreamStatusType type = GST_STREAM_STATUS_TYPE_STOP;
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STREAM_STATUS)
          gst_message_parse_stream_status(message, &type, nullptr);
        if (type == GST_STREAM_STATUS_TYPE_CREATE && looks++ == 0)
          began = fake().wait(OVI_FAKE_PLAN, 1);
        return GST_BUS_PASS;
      },
      nullptr, nullptr);
  gst_object_unref(bus);
  gst_element_set_state(source, GST_STATE_READY);
  fake().hold(OVI_FAKE_PLAN);
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  fail_unless(looks >= 1);
  fail_unless(!began, "it began before");
  fail_unless(fake().wait(OVI_FAKE_PLAN, 10), "it never began");
  fake().release(OVI_FAKE_PLAN);
  drop(source);
}
GST_END_TEST

/// The core undoes a state change when a pad refuses to be activated; nothing waits then.
GST_START_TEST(a_state_change_that_fails_is_undone) {
  GstElement* source = make_source();
  GstPad* pad = gst_element_get_static_pad(source, "audio");
  const GstPadActivateModeFunction usual = GST_PAD_ACTIVATEMODEFUNC(pad);
  gst_pad_set_activatemode_function(
      pad, [](GstPad*, GstObject*, GstPadMode, gboolean active) -> gboolean { return !active; });
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  std::vector<Posted> all = take_messages(source);
  fail_unless_equals_int(check_progress_balance(all), 1);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_pad_set_activatemode_function(pad, usual);
  gst_object_unref(pad);
  Harnesses pair(source);
  pair.play();
  Pulled frames, sound;
  pair.pull_all(frames, sound);
  fail_unless_equals_int(frames.buffers.size(), 121);
}
GST_END_TEST

OVI_TEST_MAIN(states,
              OVI_TEST(cycles_on_one_instance) OVI_TEST(states_in_any_order_without_waiting)
                  OVI_TEST(ready_keeps_the_loaded_model) OVI_TEST(stopping_cancels_in_every_phase)
                      OVI_TEST(an_eos_event_ends_it_at_once) OVI_TEST(progress_is_told_step_by_step)
                          OVI_TEST(it_may_go_in_any_state) OVI_TEST(two_elements_in_one_pipeline)
                              OVI_TEST(a_prompt_set_while_playing_is_for_the_next_clip)
                                  OVI_TEST(the_worker_begins_after_the_state_change)
                                      OVI_TEST(a_state_change_that_fails_is_undone))
