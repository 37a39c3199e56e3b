// What is told of each clip: that it begins, how far it is, and what it was made from.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <mutex>

#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 12, kSamples = 8000;
constexpr const char* kPads[] = {"video", "audio"};

/// Messages and buffers in the order in which they left.
struct Log {
  struct Entry {
    GstMessage* message = nullptr;  // or a buffer:
    int pad = 0;
    GstClockTime pts = 0;
    guint64 stats_clip = G_MAXUINT64;  // when the message was posted
  };

  explicit Log(GstElement* element) : source(GST_ELEMENT(gst_object_ref(element))) {
    GstBus* bus = gst_element_get_bus(source);
    gst_bus_set_sync_handler(
        bus,
        [](GstBus*, GstMessage* message, gpointer self) {
          static_cast<Log*>(self)->add(message);
          return GST_BUS_PASS;
        },
        this, nullptr);
    gst_object_unref(bus);
    for (int i = 0; i < 2; ++i) {
      ends[i].log = this;
      ends[i].pad = i;
      GstPad* pad = gst_element_get_static_pad(source, kPads[i]);
      ends[i].probe = gst_pad_add_probe(
          pad, GST_PAD_PROBE_TYPE_BUFFER,
          [](GstPad*, GstPadProbeInfo* info, gpointer data) {
            const auto* end = static_cast<End*>(data);
            std::lock_guard guard(end->log->lock);
            end->log->entries.push_back(
                {nullptr, end->pad, GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info))});
            return GST_PAD_PROBE_OK;
          },
          &ends[i], nullptr);
      gst_object_unref(pad);
    }
  }
  ~Log() {
    if (GstBus* bus = gst_element_get_bus(source)) {
      gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
      gst_object_unref(bus);
    }
    for (const End& end : ends) {
      GstPad* pad = gst_element_get_static_pad(source, kPads[end.pad]);
      gst_pad_remove_probe(pad, end.probe);
      gst_object_unref(pad);
    }
    for (Entry& entry : entries)
      if (entry.message) gst_message_unref(entry.message);
    gst_object_unref(source);
  }
  void add(GstMessage* message) {
    Entry entry;
    entry.message = gst_message_ref(message);
    GstStructure* stats = nullptr;
    g_object_get(source, "stats", &stats, nullptr);
    if (stats) {
      fail_unless(gst_structure_get_uint64(stats, "clip", &entry.stats_clip));
      gst_structure_free(stats);
    }
    std::lock_guard guard(lock);
    entries.push_back(entry);
  }
  /// Those of clips that begin.
  std::vector<Entry> clips() const {
    std::vector<Entry> found;
    for (const Entry& entry : entries)
      if (entry.message && gst_message_has_name(entry.message, "ovii2v-clip"))
        found.push_back(entry);
    return found;
  }
  std::vector<Entry> progress() const {
    std::vector<Entry> found;
    for (const Entry& entry : entries)
      if (entry.message && GST_MESSAGE_TYPE(entry.message) == GST_MESSAGE_PROGRESS)
        found.push_back(entry);
    return found;
  }

  struct End {
    Log* log;
    int pad;
    gulong probe;
  } ends[2];
  GstElement* source;
  std::mutex lock;
  std::vector<Entry> entries;
};

guint64 number(const Log::Entry& entry, const char* name) {
  guint64 value = 0;
  fail_unless(gst_structure_get_uint64(gst_message_get_structure(entry.message), name, &value),
              "no %s", name);
  return value;
}

const char* text(const Log::Entry& entry, const char* name) {
  return gst_structure_get_string(gst_message_get_structure(entry.message), name);
}

bool repeats(const Log::Entry& entry) {
  gboolean repeat = -1;
  fail_unless(
      gst_structure_get_boolean(gst_message_get_structure(entry.message), "repeat", &repeat));
  return repeat;
}

std::string progress_text(const Log::Entry& entry, GstProgressType* type, std::string* code) {
  g_autofree gchar *stage = nullptr, *shown = nullptr;
  gst_message_parse_progress(entry.message, type, &stage, &shown);
  *code = stage;
  return shown;
}

GstElement* make_chain(guint clips, bool last_frame = false) {
  GstElement* source = make_source();
  fake().reset();
  fake().clip_size(kFrames, kSamples);
  g_object_set(source, "num-clips", clips, "width", 32, "height", 32, nullptr);
  if (last_frame) gst_util_set_object_arg(G_OBJECT(source), "continuity", "last-frame");
  return source;
}

/// To the end of all pads that are linked, which keep their buffers.
void run(GstElement* source, bool video, bool audio) {
  GstHarness* harnesses[2] = {};
  for (int i = 0; i < 2; ++i)
    if (i == 0 ? video : audio)
      harnesses[i] = gst_harness_new_with_element(source, nullptr, kPads[i]);
  gst_element_set_state(source, GST_STATE_PLAYING);
  for (GstHarness* harness : harnesses)
    if (harness) gst_harness_play(harness);
  for (GstHarness* harness : harnesses)
    if (harness) wait_eos(harness);
  gst_element_set_state(source, GST_STATE_READY);
  for (GstHarness* harness : harnesses)
    if (harness) gst_harness_teardown(harness);
}

}  // namespace

GST_START_TEST(each_clip_is_told_of_once_before_its_first_buffer) {
  for (int linked = 1; linked <= 3; ++linked)
    for (bool last_frame : {false, true}) {
      const bool video = linked & 1, audio = linked & 2;
      g_autoptr(GstElement) source = make_chain(3, last_frame);
      Log log(source);
      run(source, video, audio);
      const auto clips = log.clips();
      fail_unless_equals_int(clips.size(), 3);
      for (guint64 n = 0; n < 3; ++n) {
        const Log::Entry& clip = clips[n];
        fail_unless(GST_MESSAGE_SRC(clip.message) == GST_OBJECT(source));
        fail_unless_equals_uint64(number(clip, "index"), n);
        gint64 seed = -1;
        gst_structure_get_int64(gst_message_get_structure(clip.message), "seed", &seed);
        fail_unless_equals_int64(seed, 5 + static_cast<gint64>(n));
        fail_unless_equals_string(text(clip, "prompt"), "A cat. <S>Meow<E>");
        if (n && last_frame) {
          const std::string image = "last frame of clip " + std::to_string(n - 1);
          fail_unless_equals_string(text(clip, "image"), image.c_str());
        } else {
          fail_unless(text(clip, "image") == nullptr);
        }
        fail_unless(!repeats(clip));
        // The first frame of a clip that goes on is left out.
        const guint64 origin = n * (last_frame ? kFrames - 1 : kFrames);
        const guint64 shown = origin + (last_frame && n);
        const GstClockTime begin =
            video ? frame_time(shown) : sample_time(gst_util_uint64_scale_round(origin, 16000, 24));
        for (const char* name : {"running-time", "stream-time", "timestamp"})
          fail_unless_equals_uint64(number(clip, name), begin);
        fail_unless_equals_uint64(number(clip, "duration"),
                                  frame_time(origin + kFrames) - frame_time(shown));
      }
      // Nothing of a clip leaves before it is told of.
      guint64 told = 0;
      int buffers[2] = {};
      for (const Log::Entry& entry : log.entries) {
        if (entry.message) {
          told += gst_message_has_name(entry.message, "ovii2v-clip");
          continue;
        }
        ++buffers[entry.pad];
        const guint64 period = last_frame ? kFrames - 1 : kFrames;
        const guint64 after = told * period + (last_frame && entry.pad == 0);
        fail_unless(told == 3 || entry.pts + GST_USECOND * 50 < frame_time(after),
                    "%s at %" GST_TIME_FORMAT " after clip %d", kPads[entry.pad],
                    GST_TIME_ARGS(entry.pts), static_cast<int>(told));
      }
      fail_unless(video == (buffers[0] > 0) && audio == (buffers[1] > 0));
      gst_element_set_state(source, GST_STATE_NULL);
    }
}
GST_END_TEST

GST_START_TEST(a_clip_that_is_played_again_is_told_of_as_such) {
  GstElement* source = make_chain(1);
  Log log(source);
  {
    Harnesses pair(source);
    pair.play();
    wait_eos(pair.video);
    wait_eos(pair.audio);
    // Into its midst, then again from its begin.
    guint32 seqnums[2];
    int i = 0;
    for (const GstClockTime to : {frame_time(6) + 5, GstClockTime{0}}) {
      GstEvent* event = gst_event_new_seek(
          1.0, GST_FORMAT_TIME,
          static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
          GST_SEEK_TYPE_SET, static_cast<gint64>(to), GST_SEEK_TYPE_NONE, 0);
      seqnums[i++] = gst_event_get_seqnum(event);
      fail_unless(gst_element_send_event(source, event));
      wait_eos(pair.video);
      wait_eos(pair.audio);
    }
    // A flush alone repeats nothing.
    fail_unless(gst_element_send_event(source, gst_event_new_flush_start()));
    fail_unless(gst_element_send_event(source, gst_event_new_flush_stop(TRUE)));
    wait_eos(pair.video);
    wait_eos(pair.audio);
    const auto clips = log.clips();
    fail_unless_equals_int(clips.size(), 3);
    fail_unless(!repeats(clips[0]) && repeats(clips[1]) && repeats(clips[2]));
    for (const auto& clip : clips) {
      fail_unless_equals_uint64(number(clip, "index"), 0);
      fail_unless_equals_uint64(number(clip, "duration"), frame_time(kFrames));
      fail_unless_equals_uint64(number(clip, "running-time"), 0);
    }
    fail_unless_equals_uint64(number(clips[1], "timestamp"), frame_time(6));
    fail_unless_equals_uint64(number(clips[1], "stream-time"), frame_time(6) + 5);
    fail_unless_equals_uint64(number(clips[2], "timestamp"), 0);
    for (i = 0; i < 2; ++i)
      fail_unless_equals_int(gst_message_get_seqnum(clips[static_cast<size_t>(i) + 1].message),
                             seqnums[i]);
  }
}
GST_END_TEST

/// Between clips a hold sends its own; that is no clip.
GST_START_TEST(live_clips_are_told_of_when_they_begin) {
  for (const char* hold : {"none", "picture", "last-frame"}) {
    fake().reset();
    Live live(3);
    Log log(live.pads.source);
    gst_util_set_object_arg(G_OBJECT(live.pads.source), "hold", hold);
    fake().hold(OVI_FAKE_LOAD);
    live.pads.play();
    live.crank(4);
    fail_unless(log.clips().empty());
    fake().release(OVI_FAKE_LOAD);
    {
      Time time(live, true);
      wait_eos(live.pads.video);
      wait_eos(live.pads.audio);
    }
    const auto clips = log.clips();
    fail_unless_equals_int(clips.size(), 3);
    for (guint64 n = 0; n < 3; ++n) {
      fail_unless_equals_uint64(number(clips[n], "index"), n);
      fail_unless_equals_uint64(number(clips[n], "duration"), frame_time(3));
      // At the time of the buffer that left after it, on the pad that was first: a clock that is
      // set on meanwhile takes the other one along.
      bool found = false, told = false;
      for (const auto& entry : log.entries) {
        told |= entry.message == clips[n].message;
        found |= told && !entry.message && entry.pts == number(clips[n], "timestamp");
      }
      fail_unless(found, "clip %d with hold=%s at %" G_GUINT64_FORMAT, static_cast<int>(n), hold,
                  number(clips[n], "timestamp"));
      fail_unless_equals_uint64(number(clips[n], "running-time"), number(clips[n], "timestamp"));
    }
  }
}
GST_END_TEST

GST_START_TEST(statistics_are_there_before_a_clip_is_called_made) {
  g_autoptr(GstElement) source = make_chain(3);
  static std::atomic<int> notified;
  notified = 0;
  g_signal_connect(source, "notify::stats",
                   G_CALLBACK(+[](GObject*, GParamSpec*, gpointer) { ++notified; }), nullptr);
  Log log(source);
  run(source, true, true);
  guint64 made = 0;
  for (const auto& entry : log.progress()) {
    GstProgressType type;
    std::string code;
    progress_text(entry, &type, &code);
    if (code != "decode" || type != GST_PROGRESS_TYPE_COMPLETE) continue;
    fail_unless_equals_uint64(number(entry, "clip"), made);
    fail_unless_equals_uint64(entry.stats_clip, made);
    ++made;
  }
  fail_unless_equals_uint64(made, 3);
  fail_unless_equals_int(notified, 3);
  gst_element_set_state(source, GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(progress_names_clip_percent_and_time) {
  for (guint clips : {3u, 0u}) {
    g_autoptr(GstElement) source = make_chain(clips);
    Log log(source);
    if (clips) {
      run(source, true, true);
    } else {
      Harnesses pair(GST_ELEMENT(gst_object_ref(source)));
      pair.play();
      for (guint i = 0; i < 2 * kFrames + 1; ++i) gst_buffer_unref(gst_harness_pull(pair.video));
    }
    gint64 last = -1;
    guint64 clip = G_MAXUINT64;
    guint32 seqnum = 0;
    for (const auto& entry : log.progress()) {
      GstProgressType type;
      std::string code;
      const std::string shown = progress_text(entry, &type, &code);
      const GstStructure* structure = gst_message_get_structure(entry.message);
      gint percent = -1, stage_percent = -1;
      guint of = G_MAXUINT;
      fail_unless(gst_structure_get(structure, "percent", G_TYPE_INT, &percent, "stage-percent",
                                    G_TYPE_INT, &stage_percent, "num-clips", G_TYPE_UINT, &of,
                                    nullptr));
      fail_unless_equals_int(of, clips);
      if (number(entry, "clip") != clip) {
        fail_unless_equals_uint64(number(entry, "clip"), clip + 1);
        clip = number(entry, "clip");
        last = -1;
      }
      fail_unless(percent >= last && percent <= 100 && stage_percent >= 0 && stage_percent <= 100,
                  "%s", shown.c_str());
      last = percent;
      const std::string named = "Clip " + std::to_string(clip + 1) +
                                (clips ? " of " + std::to_string(clips) : std::string()) + ": ";
      fail_unless(g_str_has_prefix(shown.c_str(), named.c_str()), "%s", shown.c_str());
      if (percent) {
        const std::string told = std::to_string(percent) + " % of the clip";
        fail_unless(shown.find(told) != std::string::npos, "%s", shown.c_str());
      }
      const GstClockTime left = number(entry, "time-left");
      const bool ended = type == GST_PROGRESS_TYPE_COMPLETE && code == "decode";
      fail_unless_equals_int(percent == 100, ended);
      if (ended) fail_unless_equals_uint64(left, 0);
      if (type == GST_PROGRESS_TYPE_CANCELED) fail_unless(left == GST_CLOCK_TIME_NONE);
      // The first clip's loading says nothing of what follows; the next ones were measured.
      if (clip == 0 && code == "load") fail_unless(left == GST_CLOCK_TIME_NONE);
      if (code == "generate" && type == GST_PROGRESS_TYPE_CONTINUE)
        fail_unless(left < 60 * GST_SECOND, "%s", shown.c_str());
      if (clip > 0 && type == GST_PROGRESS_TYPE_START)
        fail_unless(left < 60 * GST_SECOND, "%s", shown.c_str());
      // All of a stage are one.
      if (type == GST_PROGRESS_TYPE_START)
        seqnum = gst_message_get_seqnum(entry.message);
      else
        fail_unless_equals_int(gst_message_get_seqnum(entry.message), seqnum);
    }
    fail_unless(clip >= 2);
    check_progress_balance(take_messages(source));
    gst_element_set_state(source, GST_STATE_NULL);
  }
}
GST_END_TEST

GST_START_TEST(loading_is_said_where_something_is_loaded) {
  Harnesses pair(make_chain(2));
  for (int round = 0; round < 2; ++round) {
    Log log(pair.source);
    gst_element_set_state(pair.source, GST_STATE_PLAYING);
    wait_eos(pair.video);
    wait_eos(pair.audio);
    gst_element_set_state(pair.source, GST_STATE_READY);
    int loadings = 0, starts = 0;
    for (const auto& entry : log.progress()) {
      GstProgressType type;
      std::string code;
      const std::string shown = progress_text(entry, &type, &code);
      const bool loading = shown.find("oading the model") != std::string::npos;
      fail_unless(!loading || (code == "load" && number(entry, "clip") == 0), "%s", shown.c_str());
      loadings += loading;
      starts += code == "load" && type == GST_PROGRESS_TYPE_START;
    }
    fail_unless_equals_int(loadings > 0, round == 0);  // READY kept it
    fail_unless_equals_int(starts, 1);
    check_progress_balance(take_messages(pair.source));
    fail_unless_equals_int(fake().counters().models_loaded, 1);
  }
}
GST_END_TEST

OVI_TEST_MAIN(clip_begin, OVI_TEST(each_clip_is_told_of_once_before_its_first_buffer)
                              OVI_TEST(a_clip_that_is_played_again_is_told_of_as_such)
                                  OVI_TEST(live_clips_are_told_of_when_they_begin)
                                      OVI_TEST(statistics_are_there_before_a_clip_is_called_made)
                                          OVI_TEST(progress_names_clip_percent_and_time)
                                              OVI_TEST(loading_is_said_where_something_is_loaded))
