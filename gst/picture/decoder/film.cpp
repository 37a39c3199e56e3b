// The first frame of a film, by GStreamer's demuxers and decoders.
// SPDX-License-Identifier: Apache-2.0
#include "film.h"

#include <gst/app/gstappsink.h>
#include <gst/pbutils/pbutils.h>
#include <gst/video/video.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <optional>

#include "film_frame.h"
#include "orientation.h"
#include "sandbox.h"

namespace ovii2v::picture {
namespace {

constexpr GstClockTime kPollInterval = 20 * GST_MSECOND;
/// A pipeline that does nothing for so long has an error that was lost: decodebin drops those of
/// an element that it is just adding.
constexpr GstClockTime kMostIdle = GST_SECOND;
constexpr double kIdleSeconds = 0.02;  // of processor time, as the waiting itself takes

/// What holds frames itself. No playlists, no manifests, no descriptions of streams elsewhere.
constexpr const char* kContainers[] = {"video/quicktime",
                                       "application/x-3gp",
                                       "video/x-matroska",
                                       "video/webm",
                                       "video/x-msvideo",
                                       "video/mpegts",
                                       "video/mpeg",
                                       "application/ogg",
                                       "video/ogg",
                                       "video/x-flv",
                                       "video/x-ms-asf",
                                       "application/mxf",
                                       "video/x-ivf",
                                       "video/x-dv",
                                       "video/x-h264",
                                       "video/x-h265",
                                       "video/x-vp8",
                                       "video/x-vp9",
                                       "video/x-av1",
                                       "video/x-theora",
                                       "video/x-mjpeg",
                                       "video/x-yuv4mpeg",
                                       "application/x-yuv4mpeg"};
/// Pictures that are documents: they may name others, and are drawn at any size.
constexpr const char* kDocuments[] = {"image/svg", "image/svg+xml", "image/x-xcf"};

bool is_one_of(std::string_view type, std::span<const char* const> list) {
  return std::find(list.begin(), list.end(), type) != list.end();
}

/// Of several streams, of which none may be a picture.
bool is_container(std::string_view type) {
  return type.starts_with("application/") || type == "video/quicktime" ||
         type == "video/x-matroska" || type == "video/webm" || type == "video/x-msvideo" ||
         type == "video/mpegts" || type == "video/mpeg" || type == "video/ogg" ||
         type == "video/x-flv" || type == "video/x-ms-asf";
}

bool may_be_read(std::string_view type) {
  return is_one_of(type, kContainers) ||
         (type.starts_with("image/") && !is_one_of(type, kDocuments));
}

bool is_frame(std::string_view type) { return type == "video/x-raw" || type == "image/jpeg"; }

/// As the end of a clause.
std::string clause(const char* message) {
  std::string text = message ? message : "";
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  if (text.size() > 1 && g_ascii_islower(text[1])) text[0] = g_ascii_tolower(text[0]);
  return text;
}

double processor_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

/// Whether a streaming thread is at work, or waits for something.
bool streams(GstElement* pipeline) {
  bool found = false;
  GstIterator* elements = gst_bin_iterate_recurse(GST_BIN(pipeline));
  gst_iterator_foreach(
      elements,
      [](const GValue* value, gpointer user) {
        auto* element = GST_ELEMENT(g_value_get_object(value));
        GST_OBJECT_LOCK(element);
        for (GList* one = element->pads; one; one = one->next) {
          GstTask* task = GST_PAD_TASK(GST_PAD(one->data));
          if (task && gst_task_get_state(task) == GST_TASK_STARTED)
            *static_cast<bool*>(user) = true;
        }
        GST_OBJECT_UNLOCK(element);
      },
      &found);
  gst_iterator_free(elements);
  return found;
}

/// filesrc ! decodebin ! appsink. Callbacks come from streaming threads.
class Reader {
 public:
  Reader(const Limits& limits, uint64_t seconds)
      : limits_(limits), most_time_(seconds * GST_SECOND) {}
  Decoded read(int input);

 private:
  GstElement* add(const char* factory);
  bool build(int input);
  bool is_too_large(const GstCaps* caps);
  Decoded wait();
  /// Null: nothing that ends it is on the bus.
  std::optional<Decoded> error_on(GstBus* bus);
  Decoded damaged(const std::string& how);
  Decoded refusal(GstMessage* message);
  Decoded frame(GstSample* sample);
  int orientation();
  void note(Outcome outcome, std::string text);

  static gboolean on_continue(GstElement*, GstPad*, GstCaps* caps, gpointer self);
  static gint on_select(GstElement*, GstPad*, GstCaps*, GstElementFactory* factory, gpointer self);
  static void on_pad(GstElement*, GstPad* pad, gpointer self);
  static void on_no_more_pads(GstElement* decode, gpointer self);

  const Limits& limits_;
  const GstClockTime most_time_;
  std::string missing_;  // what would decode its pictures
  GstElement* pipeline_ = nullptr;
  GstElement* sink_ = nullptr;
  std::mutex lock_;
  GstCaps* type_ = nullptr;   // the file's
  bool has_streams_ = false;  // within it
  bool has_pictures_ = false;
  Decoded refusal_;  // the first reason
  bool refused_ = false;
};

void Reader::note(Outcome outcome, std::string text) {
  std::lock_guard guard(lock_);
  if (!std::exchange(refused_, true)) refusal_ = no_picture(outcome, std::move(text));
}

GstElement* Reader::add(const char* factory) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  if (element)
    gst_bin_add(GST_BIN(pipeline_), element);
  else
    note(Outcome::kNoDecoder, std::string("the GStreamer element ") + factory +
                                  ", needed to read films, is missing; install "
                                  "gstreamer1.0-plugins-base");
  return element;
}

bool Reader::build(int input) {
  pipeline_ = gst_pipeline_new("ovii2v-film");
  GstElement* source = add("filesrc");
  GstElement* decode = add("decodebin");
  sink_ = add("appsink");
  if (!source || !decode || !sink_) return false;
  g_object_set(source, "location", ("/proc/self/fd/" + std::to_string(input)).c_str(), nullptr);
  // Frames are wanted in host memory, and the same on every machine.
  g_object_set(decode, "force-sw-decoders", TRUE, nullptr);
  g_autoptr(GstCaps) raw = gst_caps_from_string("video/x-raw; image/jpeg");
  g_object_set(sink_, "caps", raw, "sync", FALSE, nullptr);
  g_signal_connect(decode, "autoplug-continue", G_CALLBACK(on_continue), this);
  g_signal_connect(decode, "autoplug-select", G_CALLBACK(on_select), this);
  g_signal_connect(decode, "pad-added", G_CALLBACK(on_pad), this);
  g_signal_connect(decode, "no-more-pads", G_CALLBACK(on_no_more_pads), this);
  return gst_element_link(source, decode);
}

bool Reader::is_too_large(const GstCaps* caps) {
  const GstStructure* what = gst_caps_get_structure(caps, 0);
  int width = 0, height = 0;
  if (!gst_structure_get_int(what, "width", &width) ||
      !gst_structure_get_int(what, "height", &height) || width <= 0 || height <= 0)
    return false;
  try {
    check_size(static_cast<uint64_t>(width), static_cast<uint64_t>(height), limits_);
    return false;
  } catch (const Refusal& refusal) {
    note(refusal.outcome(), refusal.what());
    return true;
  }
}

/// False ends the decoding of that stream. The first one is the file itself.
gboolean Reader::on_continue(GstElement* decode, GstPad*, GstCaps* caps, gpointer user) {
  auto* self = static_cast<Reader*>(user);
  const std::string type = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  bool first = false;
  {
    std::lock_guard guard(self->lock_);
    first = !self->type_;
    if (first) self->type_ = gst_caps_ref(caps);
    self->has_streams_ |= !first;
    self->has_pictures_ |= !first && (type.starts_with("video/") || type.starts_with("image/"));
  }
  bool goes_on = type.starts_with("video/") || type.starts_with("image/");
  if (first) {
    goes_on = may_be_read(type);
    if (!goes_on)
      self->note(Outcome::kNotAPicture, is_one_of(type, kDocuments)
                                            ? "it is a drawing (" + type + "), which is not read"
                                            : "it is of type " + type);
  } else if (is_one_of(type, kDocuments) || type == "image/jpeg") {
    goes_on = false;  // JPEGs are decoded here
  }
  if (goes_on && self->is_too_large(caps)) goes_on = false;
  bool refused = false;
  {
    std::lock_guard guard(self->lock_);
    refused = self->refused_;
  }
  if (refused) GST_ELEMENT_ERROR(decode, STREAM, WRONG_TYPE, ("refused"), ("%s", type.c_str()));
  return goes_on;
}

/// libav's demuxers read what GStreamer's own do not; some open other files, some never end.
gint Reader::on_select(GstElement*, GstPad*, GstCaps*, GstElementFactory* factory, gpointer) {
  enum { kTry, kExpose, kSkip };  // GstAutoplugSelectResult, which no header has
  const char* kind = gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS);
  const bool demuxes = kind && strstr(kind, "Demux");
  return demuxes && g_str_has_prefix(GST_OBJECT_NAME(factory), "avdemux_") ? kSkip : kTry;
}

void Reader::on_pad(GstElement* decode, GstPad* pad, gpointer user) {
  auto* self = static_cast<Reader*>(user);
  g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
  if (!caps || !is_frame(gst_structure_get_name(gst_caps_get_structure(caps, 0)))) return;
  g_autoptr(GstPad) sink = gst_element_get_static_pad(self->sink_, "sink");
  if (gst_pad_is_linked(sink)) return;
  if (self->is_too_large(caps)) {
    GST_ELEMENT_ERROR(decode, STREAM, FORMAT, ("too large"), (nullptr));
    return;
  }
  gst_pad_link(pad, sink);
}

void Reader::on_no_more_pads(GstElement* decode, gpointer user) {
  auto* self = static_cast<Reader*>(user);
  g_autoptr(GstPad) sink = gst_element_get_static_pad(self->sink_, "sink");
  if (gst_pad_is_linked(sink)) return;
  {
    std::lock_guard guard(self->lock_);
    const GstStructure* file = gst_caps_get_structure(self->type_, 0);
    if (!std::exchange(self->refused_, true))
      self->refusal_ =
          self->has_streams_ && !self->has_pictures_ && is_container(gst_structure_get_name(file))
              ? no_picture(Outcome::kNotAPicture, "it has no picture in it")
              : self->damaged("there is no frame in it");
  }
  GST_ELEMENT_ERROR(decode, STREAM, WRONG_TYPE, ("no picture"), (nullptr));
}

/// With the lock held.
Decoded Reader::damaged(const std::string& how) {
  if (!type_) return no_picture(Outcome::kNotAPicture, "it is of no kind that is known");
  g_autofree char* kind = gst_pb_utils_get_codec_description(type_);
  return no_picture(Outcome::kBroken, std::string("the film in it (") +
                                          (kind ? kind : "of no known kind") +
                                          ") is damaged: " + how);
}

/// What the error on the bus is about, in the words of whoever noted it first.
Decoded Reader::refusal(GstMessage* message) {
  std::lock_guard guard(lock_);
  g_autoptr(GError) error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const bool undecodable =
      refused_ ? has_streams_ && refusal_.outcome != Outcome::kTooLarge
               : g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN) ||
                     g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND);
  if (undecodable && !missing_.empty())
    return no_picture(Outcome::kNoDecoder,
                      "there is no decoder for it here (" + missing_ +
                          "); install gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad or "
                          "gstreamer1.0-libav");
  if (refused_) return refusal_;
  if (undecodable) return no_picture(Outcome::kNoDecoder, clause(error->message));
  if (g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND))
    return no_picture(Outcome::kNotAPicture, "it is of no kind that is known");
  // Before its type is asked about: a text.
  if (!type_ && g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE))
    return no_picture(Outcome::kNotAPicture, "it appears to be a text");
  return damaged(clause(error->message));
}

int Reader::orientation() {
  g_autoptr(GstPad) pad = gst_element_get_static_pad(sink_, "sink");
  GstEvent* event = nullptr;
  int found = 1;
  for (guint i = 0; (event = gst_pad_get_sticky_event(pad, GST_EVENT_TAG, i)); ++i) {
    GstTagList* tags = nullptr;
    gst_event_parse_tag(event, &tags);
    GstVideoOrientationMethod method;
    // The enum counts like EXIF does, from 0, but for its order.
    static const int exif[] = {1, 6, 3, 8, 2, 4, 5, 7};
    if (gst_video_orientation_from_tag(tags, &method) && method >= 0 &&
        method < static_cast<int>(std::size(exif)))
      found = exif[method];
    gst_event_unref(event);
  }
  return found;
}

Decoded Reader::frame(GstSample* sample) {
  try {
    Bitmap bitmap = frame_of_film(sample, limits_);
    bitmap.orientation = orientation();
    turn_upright(bitmap);
    Decoded decoded;
    decoded.outcome = Outcome::kPicture;
    decoded.width = bitmap.width, decoded.height = bitmap.height;
    decoded.rgb = std::move(bitmap.rgb);
    return decoded;
  } catch (const Refusal& refusal) {
    return no_picture(refusal.outcome(), refusal.what());
  }
}

std::optional<Decoded> Reader::error_on(GstBus* bus) {
  while (g_autoptr(GstMessage) message = gst_bus_pop_filtered(
             bus, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT))) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) return refusal(message);
    if (!gst_is_missing_plugin_message(message) || !missing_.empty()) continue;
    g_autofree char* detail = gst_missing_plugin_message_get_installer_detail(message);
    g_autofree char* words = gst_missing_plugin_message_get_description(message);
    if (!detail || !strstr(detail, "|decoder-audio/")) missing_ = words;
  }
  return std::nullopt;
}

Decoded Reader::wait() {
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline_);
  gst_element_set_state(pipeline_, GST_STATE_PAUSED);
  const gint64 begin = g_get_monotonic_time();
  GstClockTime idle = 0;
  double used = processor_seconds();
  while (static_cast<GstClockTime>(g_get_monotonic_time() - begin) * GST_USECOND < most_time_) {
    g_autoptr(GstSample) sample = gst_app_sink_try_pull_preroll(GST_APP_SINK(sink_), kPollInterval);
    if (sample) return frame(sample);
    if (auto why = error_on(bus)) return *why;
    if (gst_app_sink_is_eos(GST_APP_SINK(sink_))) {
      std::lock_guard guard(lock_);
      return damaged("it ends before its first frame");
    }
    if (streams(pipeline_) || processor_seconds() - used > kIdleSeconds) {
      idle = 0;
      used = processor_seconds();
    } else if ((idle += kPollInterval) > kMostIdle) {
      std::lock_guard guard(lock_);
      return refused_ ? refusal_ : damaged("there is no frame in it");
    }
  }
  std::lock_guard guard(lock_);
  return damaged("no frame came within " + std::to_string(most_time_ / GST_SECOND) + " seconds");
}

Decoded Reader::read(int input) {
  if (build(input)) return wait();
  std::lock_guard guard(lock_);
  return refused_ ? refusal_
                  : no_picture(Outcome::kFailed, "GStreamer's elements do not fit together");
}

}  // namespace

Decoded decode_film(int input, const Limits& limits, uint64_t seconds) {
  // The process that started this one has just looked at the plugins.
  setenv("GST_REGISTRY_UPDATE", "no", 0);
  g_autoptr(GError) error = nullptr;
  if (!gst_init_check(nullptr, nullptr, &error))
    return no_picture(Outcome::kFailed, error ? error->message : "GStreamer does not start");
  if (!close_network())
    return no_picture(Outcome::kFailed,
                      "the decoder's process cannot give up its rights here (seccomp)");
  // Never taken apart: an element that is at work on a damaged file, or is just being added, may
  // fail at that or never end, and the process ends anyway.
  return (new Reader(limits, seconds))->read(input);
}

}  // namespace ovii2v::picture
