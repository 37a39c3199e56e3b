// Reads the first picture of anything GStreamer can open.
// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <gst/pbutils/missing-plugins.h>
#include <gst/video/video.h>
#include <string.h>

#include <mutex>
#include <tuple>

#include "decoder_order.h"
#include "exif.h"
#include "image_head.h"
#include "image_location.h"
#include "ycbcr.h"

namespace ovii2v {
namespace {

constexpr gint64 kTimeLimit = 60 * G_USEC_PER_SEC;
constexpr GstClockTime kPollInterval = 20 * GST_MSECOND;
/// Decoding and scaling take some 10 to 30 bytes a pixel; the model sees a megapixel at most.
constexpr int64_t kMostPixels = 100'000'000;

Failure resource(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_RESOURCE_ERROR, code, message, detail};
}

Failure stream(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_STREAM_ERROR, code, message, detail};
}

/// The private pipeline: source ! decodebin ! videoconvert ! RGB ! fakesink.
class Reader {
 public:
  Reader(std::string name, const std::atomic<bool>& cancelled)
      : name_(std::move(name)), cancelled_(cancelled) {}
  ~Reader() {
    if (pipeline_) {
      gst_element_set_state(pipeline_, GST_STATE_NULL);
      gst_object_unref(pipeline_);
    }
    if (sample_) gst_sample_unref(sample_);
  }

  bool build(GstElement* source, std::optional<Failure>& failure);
  std::optional<Image> run(std::optional<Failure>& failure);

 private:
  GstElement* add(const char* factory, std::optional<Failure>& failure);
  bool has_sample();
  std::optional<Image> take_image(std::optional<Failure>& failure);
  bool is_all(size_t bytes) const;
  bool is_cut_short();
  /// Whether caps tell of more pixels than are read; then the error is on the bus.
  bool is_too_large(GstElement* decode, const GstCaps* caps);
  Failure translate(GstMessage* message);
  void note_missing(GstMessage* message);

  static void on_decoder(GstBin*, GstElement* decoder, gpointer user);
  static GstPadProbeReturn on_event(GstPad*, GstPadProbeInfo* info, gpointer user);
  static gboolean on_continue(GstElement* decode, GstPad*, GstCaps* caps, gpointer user);
  static GValueArray* on_sort(GstElement*, GstPad*, GstCaps* caps, GValueArray* factories,
                              gpointer);
  static void on_pad(GstElement*, GstPad* pad, gpointer user);
  static void on_no_more_pads(GstElement*, gpointer user);
  static GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer user);
  static void on_frame(GstElement*, GstBuffer* buffer, GstPad* pad, gpointer user);

  const std::string name_;
  const std::atomic<bool>& cancelled_;
  GstElement* pipeline_ = nullptr;
  GstElement* source_ = nullptr;
  GstElement *convert_ = nullptr, *filter_ = nullptr;
  Head head_;

  std::mutex lock_;
  GstSample* sample_ = nullptr;  // the first frame
  int tag_orientation_ = 0;
  std::string undecodable_;  // what a decoder was missing for, in words
  std::string undecodable_caps_;
  std::string too_large_;  // "20000x20000"
  std::atomic<bool> errored_{false};
  std::atomic<bool> is_picture_{false};  // by its type, whether or not it decodes
};

GstElement* Reader::add(const char* factory, std::optional<Failure>& failure) {
  GstElement* element = make_image_element(factory, failure);
  if (element) gst_bin_add(GST_BIN(pipeline_), element);
  return element;
}

bool Reader::build(GstElement* source, std::optional<Failure>& failure) {
  pipeline_ = gst_pipeline_new("ovii2vsrc-image");
  gst_bin_add(GST_BIN(pipeline_), source);
  source_ = source;
  GstElement* decode = add("decodebin", failure);
  convert_ = add("videoconvert", failure);
  filter_ = add("capsfilter", failure);
  GstElement* sink = add("fakesink", failure);
  if (!decode || !convert_ || !filter_ || !sink) return false;

  // Frames are wanted in host memory, and the same on every machine.
  g_object_set(decode, "force-sw-decoders", TRUE, nullptr);
  gst_util_set_object_arg(G_OBJECT(convert_), "dither", "none");
  g_autoptr(GstCaps) rgb = gst_caps_from_string("video/x-raw, format=RGB");
  g_object_set(filter_, "caps", rgb, nullptr);
  g_object_set(sink, "signal-handoffs", TRUE, "sync", FALSE, "enable-last-sample", FALSE, nullptr);
  if (!gst_element_link_many(convert_, filter_, sink, nullptr) ||
      !gst_element_link(source, decode)) {
    failure = Failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
                      name_ + " cannot be read: its source does not give plain bytes.", ""};
    return false;
  }
  g_autoptr(GstPad) out = gst_element_get_static_pad(source, "src");
  gst_pad_add_probe(out,
                    static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                                 GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_PUSH),
                    Head::probe, &head_, nullptr);
  g_signal_connect(decode, "element-added", G_CALLBACK(on_decoder), this);
  g_signal_connect(decode, "autoplug-continue", G_CALLBACK(on_continue), this);
  g_signal_connect(decode, "autoplug-sort", G_CALLBACK(on_sort), this);
  g_signal_connect(decode, "pad-added", G_CALLBACK(on_pad), this);
  g_signal_connect(decode, "no-more-pads", G_CALLBACK(on_no_more_pads), this);
  g_signal_connect(sink, "handoff", G_CALLBACK(on_frame), this);
  g_signal_connect(sink, "preroll-handoff", G_CALLBACK(on_frame), this);
  return true;
}

/// After an error the end of the stream is kept from the decoders: gdkpixbufdec would
/// take it as leave to hand out half a picture, from a pool that may be gone by then.
void Reader::on_decoder(GstBin*, GstElement* decoder, gpointer user) {
  g_autoptr(GstPad) sink = gst_element_get_static_pad(decoder, "sink");
  if (sink) gst_pad_add_probe(sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, user, nullptr);
}

GstPadProbeReturn Reader::on_event(GstPad*, GstPadProbeInfo* info, gpointer user) {
  const bool end = GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS;
  return end && static_cast<Reader*>(user)->errored_ ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

GValueArray* Reader::on_sort(GstElement*, GstPad*, GstCaps* caps, GValueArray* factories,
                             gpointer user) {
  if (g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "image/"))
    static_cast<Reader*>(user)->is_picture_ = true;
  return exact_decoders_first(caps, factories);
}

bool Reader::is_too_large(GstElement* decode, const GstCaps* caps) {
  const GstStructure* what = gst_caps_get_structure(caps, 0);
  int caps_width = 0, caps_height = 0;
  gst_structure_get_int(what, "width", &caps_width);
  gst_structure_get_int(what, "height", &caps_height);
  int64_t width = caps_width, height = caps_height;
  if (gst_structure_has_name(what, "image/png")) {
    // Its typefinder gives no size.
    std::lock_guard guard(head_.lock);
    std::tie(width, height) = png_size(head_.bytes.data(), head_.bytes.size());
  }
  if (height == 0 || width <= kMostPixels / height) return false;
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  {
    std::lock_guard guard(lock_);
    if (!too_large_.empty()) return true;
    too_large_ = size;
  }
  GST_ELEMENT_ERROR(decode, STREAM, FORMAT, ("too large"), ("%s pixels", size.c_str()));
  return true;
}

/// False ends the decoding there.
gboolean Reader::on_continue(GstElement* decode, GstPad*, GstCaps* caps, gpointer user) {
  return !static_cast<Reader*>(user)->is_too_large(decode, caps);
}

void Reader::on_pad(GstElement* decode, GstPad* pad, gpointer user) {
  auto* self = static_cast<Reader*>(user);
  g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
  if (!caps || !gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw")) return;
  g_autoptr(GstPad) sink = gst_element_get_static_pad(self->convert_, "sink");
  if (gst_pad_is_linked(sink) || self->is_too_large(decode, caps)) return;
  GstVideoInfo info;
  if (gst_video_info_from_caps(&info, caps) && is_jfif(info)) {
    // Out as it is: see ycbcr_to_rgb().
    g_autoptr(GstCaps) same =
        gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING,
                            gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&info)), nullptr);
    g_object_set(self->filter_, "caps", same, nullptr);
  }
  gst_pad_link(pad, sink);
}

void Reader::on_no_more_pads(GstElement* decode, gpointer user) {
  auto* self = static_cast<Reader*>(user);
  g_autoptr(GstPad) sink = gst_element_get_static_pad(self->convert_, "sink");
  if (gst_pad_is_linked(sink)) return;
  GST_ELEMENT_ERROR(decode, STREAM, WRONG_TYPE, ("no picture"), ("no video stream was found"));
}

GstBusSyncReply Reader::on_message(GstBus*, GstMessage* message, gpointer user) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) static_cast<Reader*>(user)->errored_ = true;
  return GST_BUS_PASS;
}

void Reader::on_frame(GstElement*, GstBuffer* buffer, GstPad* pad, gpointer user) {
  auto* self = static_cast<Reader*>(user);
  std::lock_guard guard(self->lock_);
  // After an error a decoder may still hand out what it had.
  if (self->sample_ || self->errored_) return;
  g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
  self->sample_ = gst_sample_new(buffer, caps, nullptr, nullptr);
  GstEvent* event = nullptr;
  for (guint i = 0; (event = gst_pad_get_sticky_event(pad, GST_EVENT_TAG, i)); ++i) {
    GstTagList* tags = nullptr;
    gst_event_parse_tag(event, &tags);
    GstVideoOrientationMethod method;
    // The enum counts like EXIF does, from 0, but for its order.
    static const int exif[] = {1, 6, 3, 8, 2, 4, 5, 7};
    if (gst_video_orientation_from_tag(tags, &method) && method >= 0 &&
        method < static_cast<int>(G_N_ELEMENTS(exif)))
      self->tag_orientation_ = exif[method];
    gst_event_unref(event);
  }
}

Failure Reader::translate(GstMessage* message) {
  {
    // The start of a file may be too short for GStreamer to know it.
    std::lock_guard guard(head_.lock);
    if (begins_as_picture(head_.bytes.data(), head_.bytes.size())) is_picture_ = true;
  }
  g_autoptr(GError) error = nullptr;
  g_autofree char* debug = nullptr;
  gst_message_parse_error(message, &error, &debug);
  const std::string detail = std::string(error->message) + (debug ? std::string("\n") + debug : "");
  {
    std::lock_guard guard(lock_);
    if (!too_large_.empty())
      return stream(GST_STREAM_ERROR_FORMAT,
                    name_ + " has " + too_large_ +
                        " pixels, more than the 100 megapixels that are read: scale it down.",
                    detail);
  }
  if (!undecodable_.empty())
    return {GST_STREAM_ERROR,
            GST_STREAM_ERROR_CODEC_NOT_FOUND,
            name_ + " cannot be decoded: there is no decoder for it here (" + undecodable_ +
                "). Install gstreamer1.0-plugins-good (JPEG, PNG), "
                "gstreamer1.0-plugins-bad (WebP) or gstreamer1.0-libav (most others).",
            detail,
            {Missing::Kind::kDecoder, undecodable_caps_}};
  if (error->domain == GST_RESOURCE_ERROR)
    return resource(error->code, name_ + " cannot be read: " + error->message, detail);
  const bool unplugged =
      g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN);  // as for text/html
  const bool unknown = unplugged || (error->domain == GST_STREAM_ERROR &&
                                     (error->code == GST_STREAM_ERROR_TYPE_NOT_FOUND ||
                                      error->code == GST_STREAM_ERROR_WRONG_TYPE ||
                                      error->code == GST_STREAM_ERROR_CODEC_NOT_FOUND));
  bool silent = false;
  {
    std::lock_guard guard(head_.lock);
    silent = head_.bytes.empty();
  }
  if (GST_MESSAGE_SRC(message) == GST_OBJECT(source_) || (silent && !unknown))
    return resource(GST_RESOURCE_ERROR_OPEN_READ,
                    name_ + " cannot be read: check its address and the network.", detail);
  if (unknown && !is_picture_)
    return stream(GST_STREAM_ERROR_WRONG_TYPE,
                  name_ + " is not a picture: set \"image\" to a JPEG, PNG or other picture file.",
                  detail);
  return stream(GST_STREAM_ERROR_DECODE,
                name_ +
                    " cannot be decoded here: it is broken, or of a kind that GStreamer has no "
                    "decoder for; save it as JPEG or PNG.",
                detail);
}

/// Whether `bytes` are as many as the source has, as far as it knows.
bool Reader::is_all(size_t bytes) const {
  gint64 size = -1;
  return !gst_element_query_duration(source_, GST_FORMAT_BYTES, &size) || size < 0 ||
         static_cast<size_t>(size) == bytes;
}

bool Reader::is_cut_short() {
  std::lock_guard guard(head_.lock);
  return head_.bytes.size() < kHeadBytes && is_cut(head_.bytes.data(), head_.bytes.size()) &&
         is_all(head_.bytes.size());
}

bool Reader::has_sample() {
  std::lock_guard guard(lock_);
  return sample_;
}

/// Ends the pipeline: what its elements hold of a large picture is not needed beside its copy.
std::optional<Image> Reader::take_image(std::optional<Failure>& failure) {
  const bool cut = is_cut_short();
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  if (cut) {
    failure =
        stream(GST_STREAM_ERROR_DECODE, name_ + " is broken: the file ends early. Fetch it again.");
    return std::nullopt;
  }
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample_)) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample_), GST_MAP_READ)) {
    failure =
        stream(GST_STREAM_ERROR_DECODE, name_ + " was decoded, but its pixels are unreadable.");
    return std::nullopt;
  }
  Image image;
  image.width = static_cast<uint32_t>(GST_VIDEO_INFO_WIDTH(&info));
  image.height = static_cast<uint32_t>(GST_VIDEO_INFO_HEIGHT(&info));
  if (is_jfif(info)) image.pixels = ycbcr_to_rgb(frame);
  const size_t row = size_t{3} * image.width;
  image.pixels.resize(row * image.height);
  const auto* data = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  for (uint32_t y = 0; y < image.height && !is_jfif(info); ++y)
    memcpy(&image.pixels[row * y], data + size_t{y} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), row);
  gst_video_frame_unmap(&frame);
  gst_clear_mini_object(reinterpret_cast<GstMiniObject**>(&sample_));

  int orientation = exif_orientation(head_.bytes.data(), head_.bytes.size());
  if (orientation == 0) orientation = tag_orientation_;
  apply_orientation(orientation, image.pixels, image.width, image.height);
  return image;
}

/// Takes up "missing-plugin" as pbutils posts it, when it is about a picture or film: there is
/// no decoder for a web page either, but that is no picture.
void Reader::note_missing(GstMessage* message) {
  if (!gst_is_missing_plugin_message(message)) return;
  g_autoptr(GstCaps) caps = nullptr;
  gst_structure_get(gst_message_get_structure(message), "detail", GST_TYPE_CAPS, &caps, nullptr);
  if (!caps || gst_caps_is_empty(caps) || gst_caps_is_any(caps)) return;
  const char* what = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  if (!g_str_has_prefix(what, "image/") && !g_str_has_prefix(what, "video/")) return;
  g_autofree char* words = gst_missing_plugin_message_get_description(message);
  g_autofree char* text = gst_caps_to_string(caps);
  undecodable_ = words;
  undecodable_caps_ = text;
}

std::optional<Image> Reader::run(std::optional<Failure>& failure) {
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline_);
  gst_bus_set_sync_handler(bus, on_message, this, nullptr);
  // Not PAUSED: a live source would give nothing.
  gst_element_set_state(pipeline_, GST_STATE_PLAYING);
  const gint64 deadline = g_get_monotonic_time() + kTimeLimit;
  while (!cancelled_) {
    g_autoptr(GstMessage) message = gst_bus_timed_pop(bus, kPollInterval);
    if (has_sample()) return take_image(failure);
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      failure = translate(message);
      return std::nullopt;
    }
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
      failure =
          stream(GST_STREAM_ERROR_DECODE, name_ + " is broken: it ended before its first picture.");
      return std::nullopt;
    }
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT) {
      note_missing(message);
    }
    if (g_get_monotonic_time() > deadline) {
      failure = resource(GST_RESOURCE_ERROR_READ,
                         name_ + " gave no picture within 60 seconds: use a local copy of it.");
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Image> read_image(const std::string& location, const std::atomic<bool>& cancelled,
                                std::optional<Failure>& failure) {
  failure.reset();
  std::string name;
  GstElement* source = make_image_source(location, name, failure);
  if (!source) return std::nullopt;
  Reader reader(name, cancelled);
  if (!reader.build(source, failure)) return std::nullopt;
  return reader.run(failure);
}

}  // namespace ovii2v
