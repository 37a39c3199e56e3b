// A running chain whose pads are linked late, stopped, sent away and taken back.
// SPDX-License-Identifier: Apache-2.0
#include <gst/audio/audio.h>

#include "fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 12, kSamples = 7900;  // of a clip
constexpr guint64 kPeriod = 8000;               // samples from one clip to the next

constexpr const char* kS16 = "audio/x-raw,format=" GST_AUDIO_NE(S16);

GstElement* make_chain(guint clips) {
  fake().clip_size(kFrames, kSamples);
  GstElement* source = make_source();
  g_object_set(source, "num-clips", clips, "width", 32, "height", 32, nullptr);
  return source;
}

GstPad* pad_of(GstElement* source, const char* name) {
  GstPad* pad = gst_element_get_static_pad(source, name);
  gst_object_unref(pad);  // the element keeps it
  return pad;
}

/// A harness for one pad of an element that others have made.
GstHarness* join(GstElement* source, const char* name, const char* caps) {
  GstHarness* harness = gst_harness_new_empty();
  gst_harness_add_element_src_pad(harness, pad_of(source, name));
  gst_harness_set_sink_caps_str(harness, caps);
  return harness;
}

void pull_to_end(GstHarness* harness, Pulled& out) {
  do {
    GstEvent* event = gst_harness_pull_event(harness);
    fail_unless(event != nullptr, "no EOS came");
    out.events.push_back(event);
  } while (GST_EVENT_TYPE(out.events.back()) != GST_EVENT_EOS);
  while (GstBuffer* buffer = gst_harness_try_pull(harness)) out.buffers.push_back(buffer);
}

std::string whole_sound(guint clips) {
  Harnesses all(make_chain(clips), "video/x-raw", kS16);
  all.play();
  Pulled frames, sound;
  all.pull_all(frames, sound);
  return sound.bytes();
}

/// Lets clip after clip be made until the first frame of clip `n` is there, and no more.
void make_until_clip(guint n) {
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  for (guint i = 0; i < n; ++i) {
    fake().hold(OVI_FAKE_ENCODE);
    fake().release(OVI_FAKE_SECOND);
    fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
    fake().hold(OVI_FAKE_SECOND);
    fake().release(OVI_FAKE_ENCODE);
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  }
}

/// From unit `first` on without a hole, DISCONT on the first buffer alone.
void check_from(const Pulled& pulled, guint64 first, guint64 rate, guint64 end) {
  guint64 next = first;
  for (GstBuffer* buffer : pulled.buffers) {
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), next);
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer),
                              gst_util_uint64_scale(next, GST_SECOND, rate));
    fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT),
                           buffer == pulled.buffers[0]);
    next = GST_BUFFER_OFFSET_END(buffer);
  }
  fail_unless_equals_uint64(next, end);
}

}  // namespace

GST_START_TEST(a_pad_linked_in_a_later_clip_gets_what_is_there) {
  constexpr guint kClips = 5;
  const std::string all = whole_sound(kClips);
  fake().reset();
  fake().hold(OVI_FAKE_SECOND);
  GstElement* source = make_chain(kClips);
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  gst_harness_play(video);
  make_until_clip(3);
  // Of clips 0 and 1 nothing is in memory any more; 2 is whole, 3 has its sound.
  GstHarness* audio = join(source, "audio", "audio/x-raw");
  fake().release(OVI_FAKE_SECOND);
  Pulled frames, sound;
  pull_to_end(audio, sound);
  pull_to_end(video, frames);
  check_from(frames, 0, 24, kClips * kFrames);
  check_from(sound, 2 * kPeriod, 16000, 4 * kPeriod + kSamples);

  // What a stream begins with, in its order, before the first buffer.
  const GstEventType order[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT,
                                GST_EVENT_TAG};
  size_t found = 0;
  for (GstEvent* event : sound.events)
    if (found < G_N_ELEMENTS(order) && GST_EVENT_TYPE(event) == order[found]) ++found;
  fail_unless_equals_int(found, G_N_ELEMENTS(order));
  guint groups[2];
  fail_unless(gst_event_parse_group_id(frames.of(GST_EVENT_STREAM_START)[0], &groups[0]));
  fail_unless(gst_event_parse_group_id(sound.of(GST_EVENT_STREAM_START)[0], &groups[1]));
  fail_unless_equals_int(groups[0], groups[1]);
  const GstSegment* segments[2];
  gst_event_parse_segment(frames.of(GST_EVENT_SEGMENT)[0], &segments[0]);
  gst_event_parse_segment(sound.of(GST_EVENT_SEGMENT)[0], &segments[1]);
  fail_unless(gst_segment_is_equal(segments[0], segments[1]));
  fail_unless_equals_int(sound.of(GST_EVENT_TAG).size(), kClips - 2);
  // Nobody had said what the sound is to be when it was made.
  GstCaps* caps = nullptr;
  gst_event_parse_caps(sound.of(GST_EVENT_CAPS)[0], &caps);
  fail_unless_equals_string(gst_structure_get_string(gst_caps_get_structure(caps, 0), "format"),
                            GST_AUDIO_NE(F32));
  const std::string heard = sound.bytes();
  const auto* samples = reinterpret_cast<const float*>(heard.data());
  const auto* wanted = reinterpret_cast<const gint16*>(all.data()) + 2 * kPeriod;
  fail_unless_equals_int(heard.size() / 4, all.size() / 2 - 2 * kPeriod);
  for (size_t i = 0; i < heard.size() / 4; ++i)
    fail_unless(samples[i] * 32768.0f == wanted[i], "sample %d", static_cast<int>(i));

  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_harness_teardown(audio);
  gst_object_unref(source);
}
GST_END_TEST

namespace {

/// Answers instead of what is behind the pad, from buffer `left` on.
struct Answer {
  gint left;
  GstFlowReturn flow;
  GstPad* pad = nullptr;
  gulong probe = 0;

  void install(GstElement* source, const char* name) {
    pad = pad_of(source, name);
    probe = gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
  }
  void remove() { gst_pad_remove_probe(pad, probe); }
  static GstPadProbeReturn on_buffer(GstPad*, GstPadProbeInfo* info, gpointer user) {
    auto* self = static_cast<Answer*>(user);
    if (self->left-- > 0) return GST_PAD_PROBE_OK;
    gst_buffer_unref(GST_PAD_PROBE_INFO_BUFFER(info));
    GST_PAD_PROBE_INFO_DATA(info) = nullptr;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = self->flow;
    return GST_PAD_PROBE_HANDLED;
  }
};

constexpr guint kClips = 4;
constexpr guint64 kEnd[2] = {kClips * kFrames, (kClips - 1) * kPeriod + kSamples};

/// The same instance, from READY, does all it is asked for.
void check_works_again(Harnesses& chain) {
  gst_element_set_state(chain.source, GST_STATE_READY);
  for (GstHarness* harness : {chain.video, chain.audio}) {
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) gst_buffer_unref(buffer);
    while (GstEvent* event = gst_harness_try_pull_event(harness)) gst_event_unref(event);
  }
  take_messages(chain.source);
  chain.play();
  Pulled frames, sound;
  chain.pull_all(frames, sound);
  check_from(frames, 0, 24, kEnd[0]);
  check_from(sound, 0, 16000, kEnd[1]);
  for (const Posted& one : take_messages(chain.source))
    fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
}

}  // namespace

/// In the middle of the second of four clips.
GST_START_TEST(a_pad_that_ends_or_is_flushed_leaves_the_other_alone) {
  for (GstFlowReturn flow : {GST_FLOW_EOS, GST_FLOW_FLUSHING})
    for (bool video : {true, false}) {
      fake().reset();
      Harnesses chain(make_chain(kClips), "video/x-raw", kS16);
      Answer answer{video ? 18 : 14, flow};
      answer.install(chain.source, video ? "video" : "audio");
      chain.play();
      Pulled going;
      pull_to_end(video ? chain.audio : chain.video, going);
      check_from(going, 0, video ? 16000 : 24, kEnd[video]);
      fail_unless_equals_int(fake().seen()->generations, kClips);
      Pulled stopped;
      GstHarness* other = video ? chain.video : chain.audio;
      if (flow == GST_FLOW_EOS) {
        pull_to_end(other, stopped);  // it is told to others that may listen
      } else {
        while (GstEvent* event = gst_harness_try_pull_event(other)) stopped.events.push_back(event);
        fail_unless(stopped.of(GST_EVENT_EOS).empty());
        while (GstBuffer* buffer = gst_harness_try_pull(other)) stopped.buffers.push_back(buffer);
      }
      fail_unless_equals_int(stopped.buffers.size(), video ? 18 : 14);
      answer.remove();
      for (const Posted& one : take_messages(chain.source))
        fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
      check_works_again(chain);
    }
}
GST_END_TEST

GST_START_TEST(a_pad_that_fails_ends_both_with_one_error) {
  for (GstFlowReturn flow : {GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_CUSTOM_ERROR}) {
    fake().reset();
    Harnesses chain(make_chain(kClips), "video/x-raw", kS16);
    Answer answer{14, flow};
    answer.install(chain.source, "audio");
    chain.play();
    std::vector<Posted> all;
    const Posted error = wait_error(chain.source, &all);
    check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "Internal data stream");
    fail_unless(error.debug.find("audio") != std::string::npos &&
                    error.debug.find(gst_flow_get_name(flow)) != std::string::npos,
                "%s", error.debug.c_str());
    Pulled frames, sound;
    chain.pull_all(frames, sound);
    answer.remove();
    gst_element_set_state(chain.source, GST_STATE_READY);
    for (const Posted& one : take_messages(chain.source)) {
      fail_unless(one.type != GST_MESSAGE_ERROR, "a second error: %s", one.text.c_str());
      all.push_back(one);
    }
    check_progress_balance(all);
    check_works_again(chain);
  }
}
GST_END_TEST

/// As an application does that takes another sink while it plays.
GST_START_TEST(what_is_behind_a_pad_may_be_exchanged) {
  fake().hold(OVI_FAKE_SECOND);
  GstElement* source = make_chain(kClips);
  GstHarness* audio = gst_harness_new_with_element(source, nullptr, "audio");
  GstHarness* first = join(source, "video", "video/x-raw");
  gst_harness_play(audio);
  make_until_clip(1);
  Pulled before, after, sound;
  for (guint i = 0; i <= kFrames; ++i) {
    GstBuffer* buffer = gst_harness_pull(first);
    fail_unless(buffer != nullptr);
    before.buffers.push_back(buffer);
  }
  check_from(before, 0, 24, kFrames + 1);
  // Switched off, then unlinked: the task is told FLUSHING by the next push.
  gst_pad_set_active(first->sinkpad, FALSE);
  fake().release(OVI_FAKE_SECOND);
  pull_to_end(audio, sound);
  check_from(sound, 0, 16000, kEnd[1]);
  gst_pad_unlink(pad_of(source, "video"), first->sinkpad);
  GstHarness* second = join(source, "video", "video/x-raw");
  pull_to_end(second, after);
  // What is still in memory, with everything that a stream begins with.
  fail_unless_equals_int(after.of(GST_EVENT_STREAM_START).size(), 1);
  fail_unless_equals_int(after.of(GST_EVENT_CAPS).size(), 1);
  fail_unless_equals_int(after.of(GST_EVENT_SEGMENT).size(), 1);
  check_from(after, (kClips - 2) * kFrames, 24, kEnd[0]);
  gst_element_set_state(source, GST_STATE_NULL);
  for (GstHarness* harness : {audio, first, second}) gst_harness_teardown(harness);
  gst_object_unref(source);
}
GST_END_TEST

/// Another picture would make the second clip larger, which what follows cannot take: the
/// clips go on without it.
GST_START_TEST(a_size_refused_at_a_later_clip_is_told_once) {
  fake().hold(OVI_FAKE_GENERATE);
  Harnesses chain(make_chain(kClips), "video/x-raw,width=32", kS16);
  chain.play();
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  const std::string picture = data_file("astronaut.png");
  g_object_set(chain.source, "image", picture.c_str(), nullptr);
  fake().release(OVI_FAKE_GENERATE);
  Pulled frames, sound;
  chain.pull_all(frames, sound);
  check_from(frames, 0, 24, kEnd[0]);
  gst_element_set_state(chain.source, GST_STATE_READY);
  const auto all = take_messages(chain.source);
  int warnings = 0;
  for (const Posted& one : all) {
    fail_unless(one.type != GST_MESSAGE_ERROR, "an error: %s", one.text.c_str());
    if (one.type != GST_MESSAGE_WARNING) continue;
    ++warnings;
    check_error(one, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "video pad");
    fail_unless(one.text.find("128x128") != std::string::npos, "%s", one.text.c_str());
    fail_unless(one.text.find("videoscale") != std::string::npos, "%s", one.text.c_str());
    fail_unless(one.debug.find("width=(int)32") != std::string::npos, "%s", one.debug.c_str());
  }
  fail_unless_equals_int(warnings, 1);
  check_progress_balance(all);
  g_object_set(chain.source, "image", nullptr, nullptr);
  check_works_again(chain);
}
GST_END_TEST

/// Both sinks keep time, and nothing between lets one run ahead of the other.
GST_START_TEST(two_synchronised_sinks_need_no_queue) {
  for (guint clips : {1u, 3u}) {
    fake().reset();
    fake().clip_size(kFrames, kSamples);
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source, true, true, "sync=true");
    g_object_set(source, "num-clips", clips, nullptr);
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

OVI_TEST_MAIN(joining, OVI_TEST(a_pad_linked_in_a_later_clip_gets_what_is_there)
                           OVI_TEST(a_pad_that_ends_or_is_flushed_leaves_the_other_alone)
                               OVI_TEST(a_pad_that_fails_ends_both_with_one_error)
                                   OVI_TEST(what_is_behind_a_pad_may_be_exchanged)
                                       OVI_TEST(a_size_refused_at_a_later_clip_is_told_once)
                                           OVI_TEST(two_synchronised_sinks_need_no_queue))
