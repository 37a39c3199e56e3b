// What the element tells of a clip that it made: tags, statistics, the message of its begin.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "clip/clip_tags.h"

#include <string>

#include "clip/clip_record.h"

namespace ovii2v {

GstTagList* clip_tags(const GstStructure* record) {
  const std::string encoder = "ovii2vsrc " VERSION;
  const char* prompt = gst_structure_get_string(record, "prompt");
  gint64 seed = 0;
  gst_structure_get_int64(record, "seed", &seed);
  const std::string seed_text = "seed=" + std::to_string(seed);
  const std::string variant = std::string("variant=") + gst_structure_get_string(record, "variant");
  const std::string line = std::string(prompt) + " [" + seed_text + " " + variant + "]";
  GstTagList* tags =
      gst_tag_list_new(GST_TAG_TITLE, prompt, GST_TAG_COMMENT, text_of_record(record).c_str(),
                       GST_TAG_DESCRIPTION, line.c_str(), GST_TAG_ENCODER, encoder.c_str(),
                       GST_TAG_APPLICATION_NAME, encoder.c_str(), GST_TAG_EXTENDED_COMMENT,
                       seed_text.c_str(), GST_TAG_EXTENDED_COMMENT, variant.c_str(), nullptr);
  gst_tag_list_set_scope(tags, GST_TAG_SCOPE_GLOBAL);
  return tags;
}

GstStructure* stats_structure(const GstStructure* record, const ovi_plan& plan,
                              const ovi_stats& stats) {
  GstStructure* structure = gst_structure_copy(record);
  gst_structure_set_name(structure, "ovii2v-stats");
  gst_structure_remove_field(structure, "ovii2v");
  for (const auto& [name, asked] : {std::pair{"steps", "asked-steps"},
                                    {"memory", "asked-memory"},
                                    {"acceleration", "asked-acceleration"}})
    gst_structure_set_value(structure, asked, gst_structure_get_value(record, name));
  gst_structure_set(structure,                                                            //
                    "seed", G_TYPE_INT64, stats.seed, "steps", G_TYPE_UINT, stats.steps,  //
                    "load-seconds", G_TYPE_DOUBLE, stats.load_seconds,                    //
                    "text-seconds", G_TYPE_DOUBLE, stats.text_seconds,                    //
                    "image-seconds", G_TYPE_DOUBLE, stats.image_seconds,                  //
                    "denoise-seconds", G_TYPE_DOUBLE, stats.denoise_seconds,              //
                    "audio-decode-seconds", G_TYPE_DOUBLE, stats.audio_decode_seconds,    //
                    "video-decode-seconds", G_TYPE_DOUBLE, stats.video_decode_seconds,    //
                    "first-frame-seconds", G_TYPE_DOUBLE, stats.first_frame_seconds,      //
                    "total-seconds", G_TYPE_DOUBLE, stats.total_seconds,                  //
                    "peak-device-bytes", G_TYPE_UINT64, stats.peak_device_bytes,          //
                    "peak-host-bytes", G_TYPE_UINT64, stats.peak_host_bytes,              //
                    "full-steps", G_TYPE_UINT, stats.full_steps,                          //
                    "guidance-reused-steps", G_TYPE_UINT, stats.guidance_reused_steps,    //
                    "reused-steps", G_TYPE_UINT, stats.reused_steps,                      //
                    "acceleration", G_TYPE_STRING, stats.acceleration,                    //
                    "memory", G_TYPE_STRING, stats.memory,                                //
                    "device", G_TYPE_STRING, plan.device,                                 //
                    "precision", G_TYPE_STRING, plan.precision, nullptr);
  return structure;
}

GstStructure* clip_message(const GstStructure* record, const ClipTimes& times, bool repeat) {
  guint64 clip = 0;
  gst_structure_get_uint64(record, "clip", &clip);
  GstStructure* structure = gst_structure_new("ovii2v-clip", "index", G_TYPE_UINT64, clip, nullptr);
  for (const char* name : {"seed", "prompt", "image"})
    if (const GValue* value = gst_structure_get_value(record, name))
      gst_structure_set_value(structure, name, value);
  gst_structure_set(structure, "running-time", GST_TYPE_CLOCK_TIME, times.running_time,
                    "stream-time", GST_TYPE_CLOCK_TIME, times.stream_time, "timestamp",
                    GST_TYPE_CLOCK_TIME, times.timestamp, "duration", GST_TYPE_CLOCK_TIME,
                    times.duration, "repeat", G_TYPE_BOOLEAN, repeat, nullptr);
  return structure;
}

}  // namespace ovii2v
