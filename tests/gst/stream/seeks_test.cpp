// Seeks, flushes and queries in the clip that is in memory.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

constexpr GstClockTime frame_time(guint n) { return guint64{n} * GST_SECOND / 24; }

struct Pair {
  GstElement* source = make_source();
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  GstHarness* audio = gst_harness_new_with_element(source, nullptr, "audio");
  Consistent consistent{source};
  ~Pair() {
    gst_element_set_state(source, GST_STATE_NULL);
    gst_harness_teardown(video);
    gst_harness_teardown(audio);
    gst_object_unref(source);
  }
};

GstEvent* pull_until(GstHarness* harness, GstEventType type) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != type)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no %s", gst_event_type_get_name(type));
  return event;
}

GstEvent* seek_event(GstSeekFlags flags, GstClockTime start, gint64 stop = -1) {
  return gst_event_new_seek(1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
                            static_cast<gint64>(start),
                            stop < 0 ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, stop);
}

constexpr auto kFlush = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);

void drop_buffers(GstHarness* harness) {
  while (GstBuffer* buffer = gst_harness_try_pull(harness)) gst_buffer_unref(buffer);
}

std::vector<GstClockTime> drain(GstHarness* harness, bool* discont = nullptr) {
  std::vector<GstClockTime> times;
  while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
    if (times.empty() && discont)
      *discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    times.push_back(GST_BUFFER_PTS(buffer));
    gst_buffer_unref(buffer);
  }
  return times;
}

}  // namespace

GST_START_TEST(a_flushing_seek_after_the_end) {
  Pair pair;
  const int clips = fake().counters().clips;
  gst_harness_play(pair.video);
  for (GstHarness* harness : {pair.video, pair.audio}) {
    gst_event_unref(pull_until(harness, GST_EVENT_EOS));
    drop_buffers(harness);
  }
  for (guint target : {60u, 0u, 120u, 1u}) {
    GstEvent* event = seek_event(kFlush, frame_time(target));
    const guint32 seqnum = gst_event_get_seqnum(event);
    // As a pipeline does: once from each sink, the same event.
    fail_unless(gst_harness_push_upstream_event(pair.video, gst_event_ref(event)));
    fail_unless(gst_harness_push_upstream_event(pair.audio, event));
    for (GstHarness* harness : {pair.video, pair.audio}) {
      GstEvent* stop = pull_until(harness, GST_EVENT_FLUSH_STOP);
      fail_unless_equals_int(gst_event_get_seqnum(stop), seqnum);
      gst_event_unref(stop);
      GstEvent* segment_event = pull_until(harness, GST_EVENT_SEGMENT);
      fail_unless_equals_int(gst_event_get_seqnum(segment_event), seqnum);
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(segment_event, &segment);
      fail_unless_equals_uint64(segment->start, frame_time(target));
      fail_unless_equals_uint64(segment->base, 0);
      gst_event_unref(segment_event);
      gst_event_unref(pull_until(harness, GST_EVENT_EOS));
    }
    bool discont = false;
    const auto frames = drain(pair.video, &discont);
    fail_unless(discont);
    fail_unless_equals_int(frames.size(), 121 - target);
    fail_unless_equals_uint64(frames[0], frame_time(target));
    const auto blocks = drain(pair.audio, &discont);
    fail_unless(discont && !blocks.empty());
    // The sample that sounds at that time: less than one before it.
    fail_unless(blocks[0] <= frame_time(target) &&
                frame_time(target) - blocks[0] < GST_SECOND / 16000 + 1);
  }
  gst_element_set_state(pair.source, GST_STATE_READY);
  fail_unless_equals_int(fake().counters().clips, clips + 1);
}
GST_END_TEST

GST_START_TEST(a_seek_while_generating_does_not_stop_it) {
  fake().hold(OVI_FAKE_GENERATE);
  Pair pair;
  gst_harness_play(pair.video);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  const int cancelled = fake().counters().cancelled;
  fail_unless(
      gst_element_send_event(pair.source, seek_event(kFlush, frame_time(100), frame_time(110))));
  fake().release(OVI_FAKE_GENERATE);
  gst_event_unref(pull_until(pair.video, GST_EVENT_EOS));
  const auto frames = drain(pair.video);
  fail_unless_equals_int(frames.size(), 10);
  fail_unless_equals_uint64(frames[0], frame_time(100));
  fail_unless_equals_int(fake().counters().cancelled, cancelled);
}
GST_END_TEST

GST_START_TEST(a_seek_in_ready_is_kept) {
  Pair pair;
  gst_element_set_state(pair.source, GST_STATE_READY);
  fail_unless(gst_element_send_event(pair.source, seek_event(kFlush, frame_time(48))));
  gst_harness_play(pair.video);
  gst_event_unref(pull_until(pair.video, GST_EVENT_EOS));
  fail_unless_equals_int(drain(pair.video).size(), 121 - 48);
}
GST_END_TEST

GST_START_TEST(a_segment_loops_without_a_second_generation) {
  Pair pair;
  gst_element_set_state(pair.source, GST_STATE_READY);
  fail_unless(gst_element_send_event(
      pair.source, seek_event(static_cast<GstSeekFlags>(kFlush | GST_SEEK_FLAG_SEGMENT), 0,
                              static_cast<gint64>(frame_time(24)))));
  gst_harness_play(pair.video);
  const int clips = fake().counters().clips;
  GstClockTime base = 0;
  for (int round = 0; round < 3; ++round) {
    for (GstHarness* harness : {pair.video, pair.audio}) {
      GstEvent* event = pull_until(harness, GST_EVENT_SEGMENT);
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(event, &segment);
      fail_unless_equals_uint64(segment->base, base);
      gst_event_unref(event);
      event = pull_until(harness, GST_EVENT_SEGMENT_DONE);
      gst_event_unref(event);
    }
    GstBus* bus = gst_element_get_bus(pair.source);
    GstMessage* done = gst_bus_timed_pop_filtered(bus, 10 * GST_SECOND, GST_MESSAGE_SEGMENT_DONE);
    fail_unless(done != nullptr);
    gst_message_unref(done);
    fail_unless(gst_bus_pop_filtered(bus, GST_MESSAGE_SEGMENT_DONE) == nullptr, "posted twice");
    gst_object_unref(bus);
    fail_unless_equals_int(drain(pair.video).size(), 24);
    // 16000 samples in blocks of 1024.
    fail_unless_equals_int(drain(pair.audio).size(), 16);
    base += GST_SECOND;
    fail_unless(gst_element_send_event(
        pair.source, seek_event(GST_SEEK_FLAG_SEGMENT, 0, static_cast<gint64>(frame_time(24)))));
  }
  fail_unless(fake().counters().clips <= clips + 1);
}
GST_END_TEST

/// What comes after the seek follows on what came before, also for sinks that keep time.
GST_START_TEST(a_seek_without_flush_follows_on) {
  fake().hold(OVI_FAKE_DECODE);
  Pair pair;
  gst_harness_play(pair.video);
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  for (guint i = 0; i < 60; ++i) gst_buffer_unref(gst_harness_pull(pair.video));
  // The sound is all sent, and with it what was played furthest.
  for (guint i = 0; i < 79; ++i) gst_buffer_unref(gst_harness_pull(pair.audio));
  GstEvent* seek = seek_event(GST_SEEK_FLAG_ACCURATE, frame_time(100));
  const guint32 seqnum = gst_event_get_seqnum(seek);
  fail_unless(gst_element_send_event(pair.source, seek));
  fake().release(OVI_FAKE_DECODE);
  for (GstHarness* harness : {pair.video, pair.audio}) {
    gst_event_unref(pull_until(harness, GST_EVENT_SEGMENT));
    GstEvent* event = pull_until(harness, GST_EVENT_SEGMENT);
    fail_unless_equals_int(gst_event_get_seqnum(event), seqnum);
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(event, &segment);
    fail_unless_equals_uint64(segment->start, frame_time(100));
    fail_unless_equals_uint64(segment->base, 80384 * GST_SECOND / 16000);
    gst_event_unref(event);
    event = pull_until(harness, GST_EVENT_EOS);
    fail_unless_equals_int(gst_event_get_seqnum(event), seqnum);
    gst_event_unref(event);
  }
  bool discont = false;
  const auto frames = drain(pair.video, &discont);
  fail_unless(discont);
  fail_unless_equals_int(frames.size(), 21);
  fail_unless_equals_uint64(frames[0], frame_time(100));
  fail_unless(drain(pair.audio, &discont)[0] <= frame_time(100) && discont);
}
GST_END_TEST

GST_START_TEST(impossible_seeks_are_refused) {
  Pair pair;
  gst_harness_play(pair.video);
  gst_event_unref(pull_until(pair.video, GST_EVENT_EOS));
  fail_unless(!gst_element_send_event(
      pair.source, gst_event_new_seek(-1.0, GST_FORMAT_TIME, kFlush, GST_SEEK_TYPE_SET, 0,
                                      GST_SEEK_TYPE_SET, GST_SECOND)));
  fail_unless(!gst_element_send_event(
      pair.source, gst_event_new_seek(1.0, GST_FORMAT_BYTES, kFlush, GST_SEEK_TYPE_SET, 0,
                                      GST_SEEK_TYPE_NONE, -1)));
}
GST_END_TEST

GST_START_TEST(scrubbing_in_a_pipeline) {
  GstElement* pipeline = make_pipeline(nullptr, true, true, "sync=true");
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  fail_unless_equals_int(gst_element_get_state(pipeline, nullptr, nullptr, 20 * GST_SECOND),
                         GST_STATE_CHANGE_SUCCESS);
  for (guint i = 0; i < 60; ++i) {
    const GstClockTime target = frame_time(i * 37 % 120);
    fail_unless(
        gst_element_seek_simple(pipeline, GST_FORMAT_TIME, kFlush, static_cast<gint64>(target)));
    fail_unless_equals_int(gst_element_get_state(pipeline, nullptr, nullptr, 20 * GST_SECOND),
                           GST_STATE_CHANGE_SUCCESS);
    gint64 position = -1;
    fail_unless(gst_element_query_position(pipeline, GST_FORMAT_TIME, &position));
    fail_unless_equals_uint64(static_cast<guint64>(position), target);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(queries_are_answered) {
  Pair pair;
  GstPad* video = gst_element_get_static_pad(pair.source, "video");
  GstPad* audio = gst_element_get_static_pad(pair.source, "audio");
  gint64 value = -1;
  fail_unless(!gst_pad_query_duration(video, GST_FORMAT_TIME, &value));
  gst_harness_play(pair.video);
  gst_event_unref(pull_until(pair.video, GST_EVENT_EOS));
  gst_event_unref(pull_until(pair.audio, GST_EVENT_EOS));
  fail_unless(gst_pad_query_duration(video, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, static_cast<gint64>(frame_time(121)));
  fail_unless(gst_pad_query_duration(audio, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, G_GINT64_CONSTANT(5024000000));
  fail_unless(gst_pad_query_duration(video, GST_FORMAT_DEFAULT, &value));
  fail_unless_equals_int64(value, 121);
  fail_unless(gst_pad_query_duration(audio, GST_FORMAT_DEFAULT, &value));
  fail_unless_equals_int64(value, 80384);
  fail_unless(gst_element_query_duration(pair.source, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, static_cast<gint64>(frame_time(121)));
  fail_unless(gst_pad_query_position(video, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, static_cast<gint64>(frame_time(121)));

  GstQuery* query = gst_query_new_latency();
  fail_unless(gst_pad_query(video, query));
  gboolean live = TRUE;
  GstClockTime least, most;
  gst_query_parse_latency(query, &live, &least, &most);
  fail_unless(!live && least == 0 && most == GST_CLOCK_TIME_NONE);
  gst_query_unref(query);

  query = gst_query_new_seeking(GST_FORMAT_TIME);
  fail_unless(gst_pad_query(audio, query));
  gboolean seekable = FALSE;
  gint64 first_time, last_time;
  gst_query_parse_seeking(query, nullptr, &seekable, &first_time, &last_time);
  fail_unless(seekable && first_time == 0 && last_time == static_cast<gint64>(frame_time(121)));
  gst_query_unref(query);

  query = gst_query_new_segment(GST_FORMAT_TIME);
  fail_unless(gst_pad_query(video, query));
  gint64 begin = -1, end = -1;
  gst_query_parse_segment(query, nullptr, nullptr, &begin, &end);
  fail_unless(begin == 0 && end == static_cast<gint64>(frame_time(121)));
  gst_query_unref(query);

  query = gst_query_new_scheduling();
  fail_unless(gst_pad_query(video, query));
  fail_unless(gst_query_has_scheduling_mode(query, GST_PAD_MODE_PUSH));
  fail_unless(!gst_query_has_scheduling_mode(query, GST_PAD_MODE_PULL));
  gst_query_unref(query);

  char* uris[2] = {};
  GstPad* pads[] = {video, audio};
  for (int i = 0; i < 2; ++i) {
    query = gst_query_new_uri();
    fail_unless(gst_pad_query(pads[i], query));
    gst_query_parse_uri(query, &uris[i]);
    gst_query_unref(query);
  }
  fail_unless(uris[0] && g_str_has_prefix(uris[0], "ovii2v:"));
  fail_unless_equals_string(uris[0], uris[1]);
  g_free(uris[0]);
  g_free(uris[1]);
  gst_object_unref(video);
  gst_object_unref(audio);
}
GST_END_TEST

namespace {

/// SEGMENT_START and SEGMENT_DONE as an element posts them; a bin keeps them to itself.
struct Segments {
  GMutex lock{};
  std::vector<std::string> said;
  explicit Segments(GstElement* source) {
    GstBus* bus = gst_element_get_bus(source);
    gst_bus_set_sync_handler(
        bus,
        [](GstBus*, GstMessage* message, gpointer self) {
          auto* segments = static_cast<Segments*>(self);
          const bool start = GST_MESSAGE_TYPE(message) == GST_MESSAGE_SEGMENT_START;
          if (start || GST_MESSAGE_TYPE(message) == GST_MESSAGE_SEGMENT_DONE) {
            g_mutex_lock(&segments->lock);
            segments->said.push_back((start ? "start " : "done ") +
                                     std::to_string(gst_message_get_seqnum(message)));
            g_mutex_unlock(&segments->lock);
          }
          return GST_BUS_PASS;
        },
        this, nullptr);
    gst_object_unref(bus);
  }
};

bool wait_segment_done(GstElement* pipeline) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 10 * GST_SECOND,
      static_cast<GstMessageType>(GST_MESSAGE_SEGMENT_DONE | GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const bool done = message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_SEGMENT_DONE;
  if (message) gst_message_unref(message);
  gst_object_unref(bus);
  return done;
}

bool seek_segment(GstElement* element, GstSeekFlags more, GstClockTime stop) {
  return gst_element_seek(element, 1.0, GST_FORMAT_TIME,
                          static_cast<GstSeekFlags>(GST_SEEK_FLAG_SEGMENT | more),
                          GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_SET, static_cast<gint64>(stop));
}

}  // namespace

/// A bin counts begins and ends: one that came too late would end the loop for ever.
/// OVI_LOOPS says how many.
GST_START_TEST(two_elements_loop_in_one_pipeline) {
  const char* named = g_getenv("OVI_LOOPS");
  const int loops = named ? atoi(named) : 60;
  for (const char* pads : {"s.audio ! fakesink  t.audio ! fakesink",
                           "s.video ! fakesink s.audio ! fakesink  t.video ! fakesink"}) {
    g_autofree char* line = g_strdup_printf(
        "ovii2vsrc name=s prompt=cat model-path=.  ovii2vsrc name=t prompt=cat model-path=. %s",
        pads);
    GstElement* pipeline = gst_parse_launch(line, nullptr);
    for (const char* name : {"s", "t"}) {
      GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline), name);
      gst_element_set_state(source, GST_STATE_READY);
      fail_unless(seek_segment(source, GST_SEEK_FLAG_FLUSH, 50 * GST_MSECOND));
      gst_object_unref(source);
    }
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (int i = 0; i < loops; ++i) {
      fail_unless(wait_segment_done(pipeline), "loop %d", i);
      fail_unless(seek_segment(pipeline, i % 5 == 4 ? GST_SEEK_FLAG_FLUSH : GST_SEEK_FLAG_NONE,
                               50 * GST_MSECOND));
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(a_segment_is_told_before_it_is_sent) {
  Pair pair;
  GstElement* source = pair.source;
  Segments segments(source);
  gst_element_set_state(source, GST_STATE_READY);
  fail_unless(seek_segment(source, GST_SEEK_FLAG_FLUSH, 50 * GST_MSECOND));
  GstPad* pad = gst_element_get_static_pad(source, "video");
  // What was said when a segment left.
  struct Seen {
    Segments* segments;
    std::vector<std::string> at_segment;
  } seen{&segments, {}};
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto* to = static_cast<Seen*>(data);
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) != GST_EVENT_SEGMENT) return GST_PAD_PROBE_OK;
        g_mutex_lock(&to->segments->lock);
        const auto& said = to->segments->said;
        to->at_segment.push_back(said.empty() ? "nothing" : said.back());
        g_mutex_unlock(&to->segments->lock);
        const std::string wanted = "start " + std::to_string(gst_event_get_seqnum(event));
        fail_unless_equals_string(to->at_segment.back().c_str(), wanted.c_str());
        return GST_PAD_PROBE_OK;
      },
      &seen, nullptr);
  gst_object_unref(pad);
  gst_harness_play(pair.video);
  GstBus* bus = gst_element_get_bus(source);
  for (int i = 0; i < 20; ++i) {
    GstMessage* done = gst_bus_timed_pop_filtered(bus, 10 * GST_SECOND, GST_MESSAGE_SEGMENT_DONE);
    fail_unless(done != nullptr, "loop %d", i);
    gst_message_unref(done);
    fail_unless(
        seek_segment(source, i % 2 ? GST_SEEK_FLAG_FLUSH : GST_SEEK_FLAG_NONE, 50 * GST_MSECOND));
  }
  gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
  gst_object_unref(bus);
  gst_element_set_state(source, GST_STATE_READY);
  fail_unless(seen.at_segment.size() >= 20);
  // start and done by turns
  for (size_t i = 0; i < segments.said.size(); ++i)
    fail_unless(g_str_has_prefix(segments.said[i].c_str(), i % 2 ? "done" : "start"));
}
GST_END_TEST

GST_START_TEST(a_kept_seek_that_is_impossible_is_told) {
  for (int why = 0; why < 4; ++why) {
    fake().reset();
    Pair pair;
    gst_element_set_state(pair.source, GST_STATE_READY);
    fail_unless(gst_element_send_event(
        pair.source, why == 3
                         ? gst_event_new_seek(1.0, GST_FORMAT_TIME, kFlush, GST_SEEK_TYPE_END,
                                              -static_cast<gint64>(GST_SECOND), GST_SEEK_TYPE_SET,
                                              static_cast<gint64>(GST_SECOND))
                         : seek_event(kFlush, (why == 2 ? 7 : 2) * GST_SECOND)));
    if (why == 0) g_object_set(pair.source, "num-clips", 2, nullptr);
    if (why == 1) g_object_set(pair.source, "is-live", TRUE, nullptr);
    if (why == 1) fake().hold(OVI_FAKE_LOAD);
    gst_harness_play(pair.video);
    if (why != 1) gst_event_unref(pull_until(pair.video, GST_EVENT_EOS));
    int warnings = 0;
    for (const Posted& one : take_messages(pair.source)) {
      if (one.type != GST_MESSAGE_WARNING) continue;
      ++warnings;
      check_error(one, GST_CORE_ERROR, GST_CORE_ERROR_SEEK,
                  why == 3   ? "before the end"
                  : why == 2 ? "0:00:07"
                             : "0:00:02");
    }
    fail_unless_equals_int(warnings, 1);
    if (why != 1) fail_unless_equals_uint64(drain(pair.video)[0], 0);
  }
}
GST_END_TEST

GST_START_TEST(a_kept_seek_from_the_end) {
  Pair pair;
  gst_element_set_state(pair.source, GST_STATE_READY);
  fail_unless(gst_element_send_event(
      pair.source,
      gst_event_new_seek(1.0, GST_FORMAT_TIME, kFlush, GST_SEEK_TYPE_END,
                         -static_cast<gint64>(frame_time(21)) - 1, GST_SEEK_TYPE_NONE, -1)));
  gst_harness_play(pair.video);
  gst_event_unref(pull_until(pair.video, GST_EVENT_EOS));
  fail_unless_equals_int(drain(pair.video).size(), 21 + 1);
}
GST_END_TEST

/// As applications do that know nothing of the element.
GST_START_TEST(seeks_of_all_kinds) {
  Pair pair;
  gst_harness_play(pair.video);
  for (GstHarness* harness : {pair.video, pair.audio}) {
    gst_event_unref(pull_until(harness, GST_EVENT_EOS));
    drop_buffers(harness);
  }
  auto flags = [](int more) { return static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | more); };
  const GstClockTime between = frame_time(50) + 30 * GST_MSECOND;
  const struct {
    double rate;
    int flags;
    GstSeekType start_type;
    gint64 start;
    GstSeekType stop_type;
    gint64 stop;
    GstClockTime first;  // frame's time; none: only EOS
    size_t frames;
  } cases[] = {
      {1, GST_SEEK_FLAG_KEY_UNIT, GST_SEEK_TYPE_SET, static_cast<gint64>(between),
       GST_SEEK_TYPE_NONE, -1, frame_time(50), 71},
      {1, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_AFTER, GST_SEEK_TYPE_SET,
       static_cast<gint64>(between), GST_SEEK_TYPE_NONE, -1, frame_time(51), 70},
      {1, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_NEAREST, GST_SEEK_TYPE_SET,
       static_cast<gint64>(between), GST_SEEK_TYPE_NONE, -1, frame_time(51), 70},
      {1, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE, GST_SEEK_TYPE_SET,
       static_cast<gint64>(between), GST_SEEK_TYPE_NONE, -1, frame_time(50), 71},
      {2, GST_SEEK_FLAG_TRICKMODE, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1, 0, 121},
      {1, 0, GST_SEEK_TYPE_SET, static_cast<gint64>(GST_SECOND), GST_SEEK_TYPE_SET,
       static_cast<gint64>(2 * GST_SECOND), frame_time(24), 24},
      {1, 0, GST_SEEK_TYPE_SET, static_cast<gint64>(9 * GST_SECOND), GST_SEEK_TYPE_SET, -1,
       GST_CLOCK_TIME_NONE, 0},
      {1, 0, GST_SEEK_TYPE_END, 0, GST_SEEK_TYPE_SET, -1, GST_CLOCK_TIME_NONE, 0},
      {1, 0, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_END, -static_cast<gint64>(frame_time(21)), 0, 100},
  };
  for (const auto& one : cases) {
    fail_unless(gst_element_seek(pair.source, one.rate, GST_FORMAT_TIME, flags(one.flags),
                                 one.start_type, one.start, one.stop_type, one.stop));
    for (GstHarness* harness : {pair.video, pair.audio}) {
      GstEvent* event = pull_until(harness, GST_EVENT_SEGMENT);
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(event, &segment);
      fail_unless(segment->rate == one.rate && segment->base == 0);
      fail_unless_equals_int((segment->flags & GST_SEGMENT_FLAG_TRICKMODE) != 0,
                             (one.flags & GST_SEEK_FLAG_TRICKMODE) != 0);
      gst_event_unref(event);
      gst_event_unref(pull_until(harness, GST_EVENT_EOS));
    }
    const auto frames = drain(pair.video);
    drop_buffers(pair.audio);
    fail_unless_equals_int(frames.size(), one.frames);
    if (one.frames) fail_unless_equals_uint64(frames[0], one.first);
  }
  // Nothing lies between these two; no CRITICAL either.
  fail_unless(!gst_element_seek(pair.source, 1.0, GST_FORMAT_TIME, flags(0), GST_SEEK_TYPE_SET,
                                static_cast<gint64>(2 * GST_SECOND), GST_SEEK_TYPE_SET,
                                static_cast<gint64>(GST_SECOND)));
}
GST_END_TEST

/// What shows past the stop of a segment is cut off, to the nanosecond for frames.
GST_START_TEST(a_stop_between_two_frames) {
  Pair pair;
  gst_element_set_state(pair.source, GST_STATE_READY);
  const GstClockTime stop = frame_time(10) + 7 * GST_MSECOND;
  fail_unless(
      gst_element_send_event(pair.source, seek_event(kFlush, 0, static_cast<gint64>(stop))));
  gst_harness_play(pair.video);
  for (GstHarness* harness : {pair.video, pair.audio}) {
    gst_event_unref(pull_until(harness, GST_EVENT_EOS));
    GstClockTime end = 0;
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
      end = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
      gst_buffer_unref(buffer);
    }
    fail_unless(end <= stop + GST_SECOND / 16000 && end + GST_SECOND / 16000 > stop);
  }
}
GST_END_TEST

OVI_TEST_MAIN(
    seeks,
    OVI_TEST(a_flushing_seek_after_the_end) OVI_TEST(a_seek_while_generating_does_not_stop_it)
        OVI_TEST(a_seek_in_ready_is_kept) OVI_TEST(a_segment_loops_without_a_second_generation)
            OVI_TEST(a_seek_without_flush_follows_on) OVI_TEST(impossible_seeks_are_refused)
                OVI_TEST(scrubbing_in_a_pipeline) OVI_TEST(queries_are_answered)
                    OVI_TEST(two_elements_loop_in_one_pipeline)
                        OVI_TEST(a_segment_is_told_before_it_is_sent)
                            OVI_TEST(a_kept_seek_that_is_impossible_is_told)
                                OVI_TEST(a_kept_seek_from_the_end) OVI_TEST(seeks_of_all_kinds)
                                    OVI_TEST(a_stop_between_two_frames))
