// What the element says on the bus: errors, warnings, progress, statistics, tags.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "messages.h"

#include <gst/pbutils/missing-plugins.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace ovii2v {
namespace {

/// Of one stage; steps are told each, everything else at most four times a second.
constexpr gint64 kQuiet = G_USEC_PER_SEC / 4;

struct StageText {
  const char* code;
  const char* starting;
  const char* item;  // "Step 3 of 50"
  const char* completed;
};

const StageText& text_of(ovi_stage stage) {
  static const StageText texts[] = {
      {"load", "Loading the model", "Loaded MiB", "Model loaded"},
      {"encode", "Reading prompt and picture", "Input", "Prompt and picture read"},
      {"generate", "Generating", "Step", "Generated"},
      {"decode", "Decoding sound and frames", "Part", "Sound and frames decoded"},
  };
  return texts[stage];
}

/// "31 s", "4 min 10 s"
std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole < 120) return std::to_string(whole) + " s";
  return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

/// Whether a character moves a terminal's cursor or turns the direction of writing.
bool is_unseen(gunichar c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/// Valid UTF-8 without control characters, of a few KB at most: what comes from files, networks
/// and other elements goes to terminals. `lines` keeps line feeds. The caller frees it.
gchar* plain(const std::string& text, bool lines) {
  constexpr size_t kMost = 4096;  // bytes
  g_autofree gchar* valid =
      g_utf8_make_valid(text.data(), static_cast<gssize>(std::min(text.size(), kMost + 4)));
  std::string result;
  for (const char* at = valid; *at; at = g_utf8_next_char(at)) {
    const gunichar c = g_utf8_get_char(at);
    const std::string_view bytes(at, static_cast<size_t>(g_utf8_next_char(at) - at));
    if (result.size() + bytes.size() > kMost) {
      result += "…";
      break;
    }
    if (c == '\n' && lines)
      result += '\n';
    else if (!is_unseen(c))
      result += bytes;
    else
      result += c == '\n' || c == '\r' || c == '\t' || c == 0x2028 || c == 0x2029 ? " " : "\uFFFD";
  }
  return g_strdup(result.c_str());
}

GstMessage* missing_message(GstElement* element, const Missing& missing) {
  switch (missing.kind) {
    case Missing::Kind::kUriSource:
      return gst_missing_uri_source_message_new(element, missing.what.c_str());
    case Missing::Kind::kNothing:
      break;
  }
  return nullptr;
}

}  // namespace

Failure from_engine(const ovi_error& error) {
  Failure failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, error.message, error.detail};
  auto is = [&failure](GQuark domain, gint code) {
    failure.domain = domain;
    failure.code = code;
  };
  switch (error.status) {
    case OVI_NOT_FOUND:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
      break;
    case OVI_NOT_AUTHORIZED:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
      break;
    case OVI_OPEN_READ:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ);
      break;
    case OVI_READ:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ);
      break;
    case OVI_FORMAT:
      is(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
      break;
    case OVI_LIBRARY_INIT:
      is(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT);
      break;
    case OVI_NO_SPACE:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
      break;
    case OVI_SETTINGS:
      is(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS);
      break;
    case OVI_OK:
    case OVI_CANCELLED:
    case OVI_FAILED:
      break;
  }
  if (failure.message.empty()) failure.message = "The generation failed without saying why.";
  return failure;
}

Failure from_warning(const ovi_warning& warning) {
  Failure failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                  warning.message ? warning.message : "", ""};
  static const char* const names[] = {"tags",     "no-audio",  "truncated",
                                      "settings", "no-speech", "style"};
  if (warning.code >= 0 && warning.code < static_cast<int>(G_N_ELEMENTS(names)))
    failure.detail = std::string("kind: ") + names[warning.code];
  if (warning.position >= 0)
    failure.detail += ", at byte " + std::to_string(warning.position) + " of the prompt";
  return failure;
}

// The core takes both strings and frees them.
void post_error(GstElement* element, const Failure& failure) {
  if (GstMessage* message = missing_message(element, failure.missing))
    gst_element_post_message(element, message);
  gst_element_message_full(element, GST_MESSAGE_ERROR, failure.domain, failure.code,
                           plain(failure.message, false), plain(failure.detail, true),
                           __FILE__, GST_FUNCTION, __LINE__);
}

void post_flow_error(GstElement* element, GstFlowReturn flow, const Failure& failure) {
  gst_element_message_full_with_details(
      element, GST_MESSAGE_ERROR, failure.domain, failure.code, plain(failure.message, false),
      plain(failure.detail, true), __FILE__, GST_FUNCTION, __LINE__,
      gst_structure_new("details", "flow-return", G_TYPE_INT, flow, nullptr));
}

void post_warning(GstElement* element, const Failure& failure) {
  gst_element_message_full(element, GST_MESSAGE_WARNING, failure.domain, failure.code,
                           plain(failure.message, false), plain(failure.detail, true),
                           __FILE__, GST_FUNCTION, __LINE__);
}

void Progress::begin(ovi_stage stage) {
  if (open_ && stage_ == stage) return;
  end(GST_PROGRESS_TYPE_COMPLETE);
  stage_ = stage;
  open_ = true;
  last_post_ = 0;
  post(GST_PROGRESS_TYPE_START, text_of(stage).starting, 0, -1);
}

void Progress::update(const ovi_progress& progress) {
  if (progress.stage < OVI_STAGE_LOAD || progress.stage > OVI_STAGE_DECODE) return;
  begin(progress.stage);
  if (progress.done == 0 || progress.total == 0) return;
  const gint64 now = g_get_monotonic_time();
  const bool last = progress.done >= progress.total;
  if (progress.stage == OVI_STAGE_GENERATE || last || now - last_post_ >= kQuiet) {
    last_post_ = now;
    std::string text = std::string(text_of(stage_).item) + " " + std::to_string(progress.done) +
                       " of " + std::to_string(progress.total);
    if (progress.seconds_left >= 0 && !last)
      text += ", " + duration_text(progress.seconds_left) + " left";
    const auto percent = static_cast<int>(uint64_t{100} * progress.done / progress.total);
    post(GST_PROGRESS_TYPE_CONTINUE, text, percent, last ? 0 : progress.seconds_left);
  }
  if (last) end(GST_PROGRESS_TYPE_COMPLETE);
}

void Progress::end(GstProgressType type) {
  if (!open_) return;
  open_ = false;
  const char* text = type == GST_PROGRESS_TYPE_COMPLETE   ? text_of(stage_).completed
                     : type == GST_PROGRESS_TYPE_CANCELED ? "Cancelled"
                                                          : "Failed";
  post(type, text, type == GST_PROGRESS_TYPE_COMPLETE ? 100 : 0, 0);
}

void Progress::post(GstProgressType type, const std::string& text, int percent,
                    double seconds_left) {
  g_autofree gchar* shown = plain(text, false);
  GstMessage* message =
      gst_message_new_progress(GST_OBJECT(element_), type, text_of(stage_).code, shown);
  const int timeout =
      seconds_left < 0 ? -1 : static_cast<int>(std::min(seconds_left * 1000.0, 2147483000.0));
  gst_structure_set(gst_message_writable_structure(message), "percent", G_TYPE_INT, percent,
                    "timeout", G_TYPE_INT, timeout, nullptr);
  gst_element_post_message(element_, message);
}

GstStructure* stats_structure(const ovi_plan& plan, const ovi_stats& stats, uint64_t clip) {
  return gst_structure_new(
      "ovii2v-stats", "clip", G_TYPE_UINT64, clip,                                        //
      "seed", G_TYPE_INT64, stats.seed, "steps", G_TYPE_UINT, stats.steps,                //
      "width", G_TYPE_UINT, plan.width, "height", G_TYPE_UINT, plan.height,               //
      "frames", G_TYPE_UINT, plan.frames, "samples", G_TYPE_UINT, plan.samples,           //
      "variant", G_TYPE_STRING, plan.variant_name, "device", G_TYPE_STRING, plan.device,  //
      "precision", G_TYPE_STRING, plan.precision,                                         //
      "load-seconds", G_TYPE_DOUBLE, stats.load_seconds,                                  //
      "text-seconds", G_TYPE_DOUBLE, stats.text_seconds,                                  //
      "image-seconds", G_TYPE_DOUBLE, stats.image_seconds,                                //
      "denoise-seconds", G_TYPE_DOUBLE, stats.denoise_seconds,                            //
      "audio-decode-seconds", G_TYPE_DOUBLE, stats.audio_decode_seconds,                  //
      "video-decode-seconds", G_TYPE_DOUBLE, stats.video_decode_seconds,                  //
      "first-frame-seconds", G_TYPE_DOUBLE, stats.first_frame_seconds,                    //
      "total-seconds", G_TYPE_DOUBLE, stats.total_seconds,                                //
      "peak-device-bytes", G_TYPE_UINT64, stats.peak_device_bytes,                        //
      "peak-host-bytes", G_TYPE_UINT64, stats.peak_host_bytes,                            //
      "full-steps", G_TYPE_UINT, stats.full_steps,                                        //
      "guidance-reused-steps", G_TYPE_UINT, stats.guidance_reused_steps,                  //
      "reused-steps", G_TYPE_UINT, stats.reused_steps,                                    //
      "acceleration", G_TYPE_STRING, stats.acceleration,                                  //
      "memory", G_TYPE_STRING, stats.memory, nullptr);
}

GstTagList* clip_tags(const std::string& prompt, const ovi_plan& plan, int64_t seed) {
  const std::string encoder = "ovii2vsrc " VERSION;
  const std::string seed_text = "seed=" + std::to_string(seed);
  const std::string variant_text = std::string("variant=") + plan.variant_name;
  // Some muxers (MP4) keep the comment, but no extended ones.
  g_autofree gchar* title = g_utf8_make_valid(prompt.c_str(), -1);
  const std::string comment = std::string(title) + " [" + seed_text + " " + variant_text + "]";
  GstTagList* tags = gst_tag_list_new(
      GST_TAG_TITLE, title, GST_TAG_COMMENT, comment.c_str(), GST_TAG_ENCODER,
      encoder.c_str(), GST_TAG_APPLICATION_NAME, encoder.c_str(), GST_TAG_EXTENDED_COMMENT,
      seed_text.c_str(), GST_TAG_EXTENDED_COMMENT, variant_text.c_str(), nullptr);
  gst_tag_list_set_scope(tags, GST_TAG_SCOPE_GLOBAL);
  return tags;
}

}  // namespace ovii2v
