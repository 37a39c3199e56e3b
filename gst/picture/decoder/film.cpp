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
#include <new>

#include "orientation.h"
#include "sandbox.h"

namespace ovii2v::picture {
namespace {

/// Beyond this the process that waits for the answer has long ended this one.
constexpr GstClockTime kTimeLimit = 60 * GST_SECOND;
constexpr GstClockTime kPollInterval = 20 * GST_MSECOND;

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

bool may_be_read(std::string_view type) {
  return is_one_of(type, kContainers) ||
         (type.starts_with("image/") && !is_one_of(type, kDocuments));
}

/// filesrc ! decodebin ! appsink. Callbacks come from streaming threads.
class Reader {
 public:
  explicit Reader(const Limits& limits) : limits_(limits) {}
  ~Reader();
  Decoded read(int input);

 private:
  GstElement* add(const char* factory);
  bool build(int input);
  bool is_too_large(const GstCaps* caps);
  Decoded wait();
  Decoded refusal(GstMessage* message);
  Decoded frame(GstSample* sample);
  int orientation();
  void note(Outcome outcome, std::string text);

  static gboolean on_continue(GstElement*, GstPad*, GstCaps* caps, gpointer self);
  static gint on_select(GstElement*, GstPad*, GstCaps*, GstElementFactory* factory, gpointer self);
  static void on_pad(GstElement*, GstPad* pad, gpointer self);
  static void on_no_more_pads(GstElement* decode, gpointer self);

  const Limits& limits_;
  GstElement* pipeline_ = nullptr;
  GstElement* sink_ = nullptr;
  std::mutex lock_;
  bool seen_ = false;  // the file's type
  Decoded refusal_;    // the first reason
  bool refused_ = false;
};

Reader::~Reader() {
  if (!pipeline_) return;
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  gst_object_unref(pipeline_);
}

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
  g_autoptr(GstCaps) raw = gst_caps_from_string("video/x-raw");
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
    first = !std::exchange(self->seen_, true);
  }
  bool goes_on = type.starts_with("video/") || type.starts_with("image/");
  if (first) {
    goes_on = may_be_read(type);
    if (!goes_on)
      self->note(Outcome::kNotAPicture, is_one_of(type, kDocuments)
                                            ? "it is a drawing (" + type + "), which is not read"
                                            : "it is of type " + type);
  } else if (is_one_of(type, kDocuments)) {
    goes_on = false;
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
  if (!caps || !gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw")) return;
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
  self->note(Outcome::kNotAPicture, "it has no picture in it");
  GST_ELEMENT_ERROR(decode, STREAM, WRONG_TYPE, ("no picture"), (nullptr));
}

/// What the error on the bus is about, in the words of whoever noted it first.
Decoded Reader::refusal(GstMessage* message) {
  std::lock_guard guard(lock_);
  if (refused_) return refusal_;
  g_autoptr(GError) error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  if (g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN) ||
      g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND))
    return no_picture(Outcome::kNoDecoder, error->message);
  if (g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND))
    return no_picture(Outcome::kNotAPicture, "it is of no kind that is known");
  return no_picture(Outcome::kBroken, error->message);
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

/// What a stream leaves open, as GStreamer takes it where nothing at all is said: films of standard
/// definition have BT.601's matrix, larger ones BT.709's.
void complete(GstVideoInfo& info, const GstCaps* caps) {
  if (!GST_VIDEO_INFO_IS_YUV(&info)) return;
  GstVideoColorimetry& colors = info.colorimetry;
  // Where one part is not said, GStreamer's own reading of the caps drops the others too.
  const char* said = gst_structure_get_string(gst_caps_get_structure(caps, 0), "colorimetry");
  if (said) gst_video_colorimetry_from_string(&colors, said);
  constexpr int kStandardHeight = 576;  // pixels
  if (colors.matrix == GST_VIDEO_COLOR_MATRIX_UNKNOWN ||
      colors.matrix == GST_VIDEO_COLOR_MATRIX_RGB)
    colors.matrix = GST_VIDEO_INFO_HEIGHT(&info) > kStandardHeight ? GST_VIDEO_COLOR_MATRIX_BT709
                                                                   : GST_VIDEO_COLOR_MATRIX_BT601;
  if (colors.range == GST_VIDEO_COLOR_RANGE_UNKNOWN) colors.range = GST_VIDEO_COLOR_RANGE_16_235;
}

/// Mapped as long as it lives.
struct Frame {
  GstVideoFrame frame{};
  bool mapped = false;

  ~Frame() {
    if (mapped) gst_video_frame_unmap(&frame);
  }
  bool map(GstVideoInfo& info, GstBuffer* buffer, GstMapFlags flags) {
    return mapped = gst_video_frame_map(&frame, &info, buffer, flags);
  }
};

Bitmap to_rgb(GstSample* sample, const Limits& limits) {
  const Refusal unreadable(Outcome::kFailed, "its first frame could not be read");
  GstVideoInfo info, rgb;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample))) throw unreadable;
  complete(info, gst_sample_get_caps(sample));
  Bitmap bitmap = make_bitmap(static_cast<uint64_t>(GST_VIDEO_INFO_WIDTH(&info)),
                              static_cast<uint64_t>(GST_VIDEO_INFO_HEIGHT(&info)), limits);
  gst_video_info_set_format(&rgb, GST_VIDEO_FORMAT_RGB, bitmap.width, bitmap.height);
  rgb.interlace_mode = info.interlace_mode;
  rgb.fps_n = info.fps_n, rgb.fps_d = info.fps_d;
  // The transfer function stays as it is: matrix and range are all that is undone.
  rgb.colorimetry.primaries = info.colorimetry.primaries;
  rgb.colorimetry.transfer = info.colorimetry.transfer;
  g_autoptr(GstBuffer) converted = gst_buffer_new_allocate(nullptr, rgb.size, nullptr);
  Frame in, out;
  if (!converted || !in.map(info, gst_sample_get_buffer(sample), GST_MAP_READ) ||
      !out.map(rgb, converted, GST_MAP_WRITE))
    throw unreadable;
  GstVideoConverter* converter = gst_video_converter_new(
      &info, &rgb,
      gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
                        GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, nullptr));
  if (!converter) throw unreadable;
  gst_video_converter_frame(converter, &in.frame, &out.frame);
  gst_video_converter_free(converter);
  const auto* data = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&out.frame, 0));
  const auto stride = static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&out.frame, 0));
  for (uint32_t y = 0; y < bitmap.height; ++y)
    std::memcpy(bitmap.row(y), data + stride * y, size_t{3} * bitmap.width);
  return bitmap;
}

Decoded Reader::frame(GstSample* sample) {
  try {
    Bitmap bitmap = to_rgb(sample, limits_);
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

Decoded Reader::wait() {
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline_);
  gst_element_set_state(pipeline_, GST_STATE_PAUSED);
  std::string missing;
  for (GstClockTime waited = 0; waited < kTimeLimit; waited += kPollInterval) {
    g_autoptr(GstSample) sample = gst_app_sink_try_pull_preroll(GST_APP_SINK(sink_), kPollInterval);
    if (sample) return frame(sample);
    while (g_autoptr(GstMessage) message = gst_bus_pop_filtered(
               bus, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT))) {
      if (gst_is_missing_plugin_message(message)) {
        g_autofree char* words = gst_missing_plugin_message_get_description(message);
        if (missing.empty()) missing = words;
      } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        Decoded why = refusal(message);
        if (why.outcome == Outcome::kNoDecoder && !missing.empty())
          why.text = "there is no decoder for it here (" + missing +
                     "); install gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad or "
                     "gstreamer1.0-libav";
        return why;
      }
    }
    if (gst_app_sink_is_eos(GST_APP_SINK(sink_)))
      return no_picture(Outcome::kBroken, "it ended before its first frame");
  }
  return no_picture(Outcome::kBroken, "it gave no frame in time");
}

Decoded Reader::read(int input) {
  if (build(input)) return wait();
  std::lock_guard guard(lock_);
  return refused_ ? refusal_
                  : no_picture(Outcome::kFailed, "GStreamer's elements do not fit together");
}

}  // namespace

Decoded decode_film(int input, const Limits& limits) {
  // The process that started this one has just looked at the plugins.
  setenv("GST_REGISTRY_UPDATE", "no", 0);
  g_autoptr(GError) error = nullptr;
  if (!gst_init_check(nullptr, nullptr, &error))
    return no_picture(Outcome::kFailed, error ? error->message : "GStreamer does not start");
  if (!close_network())
    return no_picture(Outcome::kFailed,
                      "the decoder's process cannot give up its rights here (seccomp)");
  return Reader(limits).read(input);
}

}  // namespace ovii2v::picture
