// One clip from start to end: events, timestamps, formats, tags, statistics.
// SPDX-License-Identifier: Apache-2.0
#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "fixture.h"

using namespace fixture;

namespace {

std::string clip_bytes(gint64 seed, const char* prompt) {
  Harnesses pair(make_source());
  g_object_set(pair.source, "seed", seed, "prompt", prompt, nullptr);
  pair.play();
  Pulled video, audio;
  pair.pull_all(video, audio);
  return video.bytes() + audio.bytes();
}

}  // namespace

GST_START_TEST(timestamps_are_exact) {
  for (const auto& [frames, samples] : {std::pair{121u, 80384u}, {241u, 160768u}, {1u, 512u}}) {
    fake().clip_size(frames, samples);
    Harnesses pair(make_source());
    Consistent consistent(pair.source);
    pair.play();
    Pulled video, audio;
    pair.pull_all(video, audio);

    fail_unless_equals_int(video.buffers.size(), frames);
    GstClockTime next = 0;
    for (guint i = 0; i < frames; ++i) {
      GstBuffer* buffer = video.buffers[i];
      fail_unless_equals_uint64(GST_BUFFER_PTS(buffer), guint64{i} * GST_SECOND / 24);
      fail_unless_equals_uint64(GST_BUFFER_PTS(buffer), next);
      next += GST_BUFFER_DURATION(buffer);
      fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), i);
      fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(buffer), i + 1);
      fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), i == 0);
      fail_unless(gst_buffer_get_video_meta(buffer) != nullptr);
    }
    fail_unless_equals_uint64(next, guint64{frames} * GST_SECOND / 24);

    next = 0;
    guint64 sample = 0;
    for (size_t i = 0; i < audio.buffers.size(); ++i) {
      GstBuffer* buffer = audio.buffers[i];
      fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), sample);
      fail_unless_equals_uint64(GST_BUFFER_PTS(buffer), sample * GST_SECOND / 16000);
      fail_unless_equals_uint64(GST_BUFFER_PTS(buffer), next);
      sample += gst_buffer_get_size(buffer) / 4;
      fail_unless_equals_uint64(GST_BUFFER_OFFSET_END(buffer), sample);
      next += GST_BUFFER_DURATION(buffer);
      fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), i == 0);
    }
    fail_unless_equals_uint64(sample, samples);
    fail_unless_equals_uint64(next, guint64{samples} * GST_SECOND / 16000);
  }
}
GST_END_TEST

GST_START_TEST(events_come_in_order_and_agree) {
  Harnesses pair(make_source());
  pair.play();
  Pulled pulled[2];
  pair.pull_all(pulled[0], pulled[1]);
  guint groups[2];
  std::string prefixes[2];
  guint32 seqnums[2];
  for (int i = 0; i < 2; ++i) {
    std::vector<GstEventType> order;
    for (GstEvent* event : pulled[i].events)
      if (GST_EVENT_TYPE(event) != GST_EVENT_RECONFIGURE) order.push_back(GST_EVENT_TYPE(event));
    const std::vector<GstEventType> wanted = {GST_EVENT_STREAM_START, GST_EVENT_STREAM_COLLECTION,
                                              GST_EVENT_CAPS,         GST_EVENT_SEGMENT,
                                              GST_EVENT_TAG,          GST_EVENT_EOS};
    fail_unless(order == wanted);
    GstEvent* start = pulled[i].of(GST_EVENT_STREAM_START).at(0);
    const char* id = nullptr;
    gst_event_parse_stream_start(start, &id);
    fail_unless(gst_event_parse_group_id(start, &groups[i]));
    prefixes[i] = std::string(id).substr(0, std::string(id).find('/'));
    fail_unless(g_str_has_suffix(id, i ? "audio" : "video"), "%s", id);
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(pulled[i].of(GST_EVENT_SEGMENT).at(0), &segment);
    fail_unless_equals_int(segment->format, GST_FORMAT_TIME);
    fail_unless_equals_uint64(segment->start, 0);
    fail_unless_equals_uint64(segment->duration, 121 * GST_SECOND / 24);
    seqnums[i] = gst_event_get_seqnum(pulled[i].of(GST_EVENT_SEGMENT).at(0));
    fail_unless_equals_int(gst_event_get_seqnum(pulled[i].of(GST_EVENT_EOS).at(0)), seqnums[i]);
  }
  fail_unless_equals_int(groups[0], groups[1]);
  fail_unless_equals_int(seqnums[0], seqnums[1]);
  fail_unless_equals_string(prefixes[0].c_str(), prefixes[1].c_str());
}
GST_END_TEST

GST_START_TEST(tags_and_stats_tell_what_was_made) {
  Harnesses pair(make_source());
  g_object_set(pair.source, "seed", G_GINT64_CONSTANT(-1), nullptr);
  GstStructure* stats = nullptr;
  g_object_get(pair.source, "stats", &stats, nullptr);
  fail_unless(stats == nullptr);
  GAsyncQueue* notified = g_async_queue_new();
  g_signal_connect(pair.source, "notify::stats",
                   G_CALLBACK(+[](GObject* source, GParamSpec*, gpointer queue) {
                     g_async_queue_push(static_cast<GAsyncQueue*>(queue), source);
                   }),
                   notified);
  pair.play();
  Pulled video, audio;
  pair.pull_all(video, audio);
  // Later than the last frame.
  fail_unless(g_async_queue_timeout_pop(notified, 10 * G_USEC_PER_SEC) != nullptr);
  gst_element_set_state(pair.source, GST_STATE_READY);
  fail_unless_equals_int(g_async_queue_length(notified), 0);
  g_async_queue_unref(notified);
  g_object_get(pair.source, "stats", &stats, nullptr);
  fail_unless(stats && gst_structure_has_name(stats, "ovii2v-stats"));
  gint64 seed = -1;
  guint steps = 0;
  fail_unless(
      gst_structure_get(stats, "seed", G_TYPE_INT64, &seed, "steps", G_TYPE_UINT, &steps, nullptr));
  fail_unless(seed >= 0);
  fail_unless_equals_int(steps, 4);
  fail_unless_equals_string(gst_structure_get_string(stats, "variant"), "720x720_5s");
  fail_unless(gst_structure_has_field(stats, "peak-host-bytes"));
  // As the fake engine says: four steps of three kinds.
  guint full = 0, guidance = 0, reused = 0;
  fail_unless(gst_structure_get(stats, "full-steps", G_TYPE_UINT, &full, "guidance-reused-steps",
                                G_TYPE_UINT, &guidance, "reused-steps", G_TYPE_UINT, &reused,
                                nullptr));
  fail_unless_equals_string(gst_structure_get_string(stats, "memory"), "offload");
  fail_unless(full == 1 && guidance == 2 && reused == 1);
  fail_unless_equals_string(gst_structure_get_string(stats, "acceleration"),
                            "4 steps of the fake.");
  gst_structure_free(stats);

  for (Pulled* pulled : {&video, &audio}) {
    GstTagList* tags = nullptr;
    gst_event_parse_tag(pulled->of(GST_EVENT_TAG).at(0), &tags);
    char *comment = nullptr, *encoder = nullptr, *seed_tag = nullptr, *variant_tag = nullptr;
    fail_unless(gst_tag_list_get_string(tags, GST_TAG_DESCRIPTION, &comment));
    const std::string told =
        "A cat. <S>Meow<E> [seed=" + std::to_string(seed) + " variant=720x720_5s]";
    fail_unless_equals_string(comment, told.c_str());
    fail_unless(gst_tag_list_get_string(tags, GST_TAG_ENCODER, &encoder));
    fail_unless(g_str_has_prefix(encoder, "ovii2vsrc "));
    fail_unless(gst_tag_list_get_string_index(tags, GST_TAG_EXTENDED_COMMENT, 0, &seed_tag));
    fail_unless(gst_tag_list_get_string_index(tags, GST_TAG_EXTENDED_COMMENT, 1, &variant_tag));
    const std::string wanted = "seed=" + std::to_string(seed);
    fail_unless_equals_string(seed_tag, wanted.c_str());
    fail_unless_equals_string(variant_tag, "variant=720x720_5s");
    for (char* text : {comment, encoder, seed_tag, variant_tag}) g_free(text);
  }
}
GST_END_TEST

GST_START_TEST(every_format_is_given_without_a_copy) {
  struct {
    const char *caps, *format;
    size_t bytes;  // of 128x64
  } videos[] = {{"video/x-raw", "I420", 12288},
                {"video/x-raw,format=NV12", "NV12", 12288},
                {"video/x-raw,format=RGB", "RGB", 24576},
                {"video/x-raw,format=RGBA", "RGBA", 32768},
                {"video/x-raw,format=BGRx", "BGRx", 32768}};
  struct {
    const char *caps, *format;
    size_t bytes;
  } audios[] = {{"audio/x-raw", GST_AUDIO_NE(F32), 4096},
                {"audio/x-raw,format=" GST_AUDIO_NE(S16), GST_AUDIO_NE(S16), 2048}};
  for (size_t i = 0; i < G_N_ELEMENTS(videos); ++i) {
    const auto& want = videos[i];
    const auto& sound = audios[i % 2];
    {
      Harnesses pair(make_source(), want.caps, sound.caps);
      pair.play();
      Pulled video, audio;
      pair.pull_all(video, audio);
      GstCaps* caps = nullptr;
      gst_event_parse_caps(video.of(GST_EVENT_CAPS).at(0), &caps);
      GstVideoInfo info;
      fail_unless(gst_video_info_from_caps(&info, caps));
      fail_unless_equals_string(gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&info)),
                                want.format);
      fail_unless_equals_int(GST_VIDEO_INFO_FPS_N(&info), 24);
      const char* colours =
          gst_structure_get_string(gst_caps_get_structure(caps, 0), "colorimetry");
      fail_unless_equals_string(colours, GST_VIDEO_INFO_IS_YUV(&info) ? "bt709" : "sRGB");
      fail_unless(
          g_strcmp0(gst_structure_get_string(gst_caps_get_structure(caps, 0), "chroma-site"),
                    GST_VIDEO_INFO_IS_YUV(&info) ? "mpeg2" : nullptr) == 0);
      fail_unless_equals_int(gst_buffer_get_size(video.buffers[0]), want.bytes);
      // Read-only memory that is the engine's own.
      GstMemory* memory = gst_buffer_peek_memory(video.buffers[0], 0);
      fail_unless(GST_MEMORY_IS_READONLY(memory));
      // One copy of the clip in its output format, for as many buffers as were pushed.
      if (!isolated()) fail_unless_equals_int(fake().counters().buffers, 122);
      gst_event_parse_caps(audio.of(GST_EVENT_CAPS).at(0), &caps);
      fail_unless_equals_string(gst_structure_get_string(gst_caps_get_structure(caps, 0), "format"),
                                sound.format);
      fail_unless_equals_int(gst_buffer_get_size(audio.buffers[0]), sound.bytes);
      fail_unless_equals_int(gst_buffer_get_size(audio.buffers.back()), sound.bytes / 2);
    }
    // Everything went back to the engine.
    fail_unless_equals_int(fake().counters().buffers, 0);
  }
}
GST_END_TEST

GST_START_TEST(a_seed_is_a_clip) {
  const std::string first = clip_bytes(5, "cat");
  fail_unless(first == clip_bytes(5, "cat"));
  fail_unless(first != clip_bytes(6, "cat"));
  fail_unless(first != clip_bytes(5, "dog"));
}
GST_END_TEST

GST_START_TEST(settings_reach_the_engine) {
  Harnesses pair(make_source());
  g_object_set(pair.source, "steps", 7, "shift", 2.5, "video-guidance-scale", 1.5,
               "audio-guidance-scale", 2.0, "slg-layer", 3, "seed", G_GINT64_CONSTANT(99),
               "audio-negative-prompt", "noise", "video-negative-prompt", "", "width", 96, "height",
               64, "device", "cuda:1", nullptr);
  gst_util_set_object_arg(G_OBJECT(pair.source), "solver", "dpm++");
  gst_util_set_object_arg(G_OBJECT(pair.source), "acceleration", "fast");
  gst_util_set_object_arg(G_OBJECT(pair.source), "variant", "960x960-10s");
  gst_util_set_object_arg(G_OBJECT(pair.source), "precision", "bf16");
  gst_util_set_object_arg(G_OBJECT(pair.source), "memory", "stream");
  pair.play();
  Pulled video, audio;
  pair.pull_all(video, audio);
  const ovi_fake_seen& seen = *fake().seen();
  fail_unless_equals_string(seen.prompt, "A cat. <S>Meow<E>");
  fail_unless_equals_string(seen.audio_negative, "noise");
  fail_unless_equals_string(seen.video_negative, "");
  fail_unless_equals_string(seen.model_path, ".");
  fail_unless_equals_string(seen.device, "cuda:1");
  fail_unless_equals_int(seen.request.steps, 7);
  fail_unless_equals_float(seen.request.shift, 2.5);
  fail_unless_equals_float(seen.request.video_guidance_scale, 1.5);
  fail_unless_equals_float(seen.request.audio_guidance_scale, 2.0);
  fail_unless_equals_int(seen.request.slg_layer, 3);
  fail_unless_equals_int64(seen.request.seed, 99);
  fail_unless_equals_int(seen.request.width, 96);
  fail_unless_equals_int(seen.request.height, 64);
  fail_unless_equals_int(seen.request.solver, OVI_SOLVER_DPMPP);
  fail_unless_equals_int(seen.request.acceleration, OVI_ACCELERATION_FAST);
  fail_unless_equals_int(seen.config.variant, OVI_VARIANT_960X960_10S);
  fail_unless_equals_int(seen.config.precision, OVI_PRECISION_BF16);
  fail_unless_equals_int(seen.config.memory, OVI_MEMORY_STREAM);
}
GST_END_TEST

GST_START_TEST(frames_leave_while_others_are_decoded) {
  // The first one while the second latent is not decoded yet.
  fake().hold(OVI_FAKE_SECOND);
  fake().hold(OVI_FAKE_DECODE);
  Harnesses pair(make_source());
  pair.play();
  fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  GstBuffer* first = gst_harness_pull(pair.video);
  fail_unless(first != nullptr, "the first frame waits for the others");
  gst_buffer_unref(first);
  fake().release(OVI_FAKE_SECOND);
  for (int i = 1; i < 60; ++i) {
    GstBuffer* buffer = gst_harness_pull(pair.video);
    fail_unless(buffer != nullptr, "frame %d waits for the others", i);
    gst_buffer_unref(buffer);
  }
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  fake().release(OVI_FAKE_DECODE);
  Pulled rest, sound;
  pair.pull_all(rest, sound);
  fail_unless_equals_int(rest.buffers.size(), 61);
}
GST_END_TEST

OVI_TEST_MAIN(clip, OVI_TEST(timestamps_are_exact) OVI_TEST(events_come_in_order_and_agree)
                        OVI_TEST(tags_and_stats_tell_what_was_made)
                            OVI_TEST(every_format_is_given_without_a_copy)
                                OVI_TEST(a_seed_is_a_clip) OVI_TEST(settings_reach_the_engine)
                                    OVI_TEST(frames_leave_while_others_are_decoded))
