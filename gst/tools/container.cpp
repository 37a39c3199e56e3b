// From the element's raw streams to a file: which encoders and which muxer.
// SPDX-License-Identifier: Apache-2.0
#include "container.h"

#include <algorithm>
#include <map>

namespace ovii2v::tools {
namespace {

struct Encoder {
  const char* element;
  const char* line;  // with what makes it as good as its peers
  const char* package;
  bool hardware;  // being installed does not mean that it works
};

// The best first. Of quality, not of a bitrate: clips are small, and nobody waits for them.
const std::vector<Encoder> kH264 = {
    {"nvh264enc", "nvh264enc bitrate=12000 ! h264parse", "", true},
    {"vah264enc", "vah264enc bitrate=12000 ! h264parse", "", true},
    {"x264enc",
     "x264enc pass=qual quantizer=18 bitrate=40000 ! video/x-h264,profile=high ! h264parse",
     "gstreamer1.0-plugins-ugly", false},
    {"openh264enc", "openh264enc bitrate=6000000 rate-control=bitrate ! h264parse",
     "gstreamer1.0-plugins-bad", false},
};
const std::vector<Encoder> kVp = {
    {"vp9enc",
     "vp9enc end-usage=cq cq-level=22 target-bitrate=8000000 deadline=1000000 cpu-used=3 threads=4 "
     "row-mt=true keyframe-max-dist=48",
     "gstreamer1.0-plugins-good", false},
    {"vp8enc",
     "vp8enc end-usage=cq cq-level=12 target-bitrate=8000000 deadline=1000000 threads=4 "
     "keyframe-max-dist=48",
     "gstreamer1.0-plugins-good", false},
};
const std::vector<Encoder> kAac = {
    {"fdkaacenc", "fdkaacenc bitrate=160000", "", false},
    {"avenc_aac", "avenc_aac bitrate=160000", "gstreamer1.0-libav", false},
    {"voaacenc", "voaacenc bitrate=160000", "gstreamer1.0-plugins-bad", false},
};
const std::vector<Encoder> kOpus = {
    {"opusenc", "opusenc bitrate=128000", "gstreamer1.0-plugins-base", false},
};

bool is_installed(const std::string& element) {
  GstElementFactory* factory = gst_element_factory_find(element.c_str());
  if (!factory) return false;
  gst_object_unref(factory);
  return true;
}

/// Whether a frame goes through: drivers and devices may be missing or busy.
bool encodes(const char* line) {
  const std::string text =
      "videotestsrc num-buffers=2 ! video/x-raw,format=NV12,width=320,"
      "height=256,framerate=24/1 ! " +
      std::string(line) + " ! fakesink";
  GstElement* pipeline = gst_parse_launch(text.c_str(), nullptr);
  if (!pipeline) return false;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
  const bool good = message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  if (message) gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return good;
}

const Encoder* best(const std::vector<Encoder>& encoders) {
  static std::map<std::string, bool> tried;
  for (const Encoder& encoder : encoders) {
    if (!is_installed(encoder.element)) continue;
    if (!encoder.hardware) return &encoder;
    auto [entry, fresh] = tried.emplace(encoder.element, false);
    if (fresh) entry->second = encodes(encoder.line);
    if (entry->second) return &encoder;
  }
  return nullptr;
}

std::string to_install(const char* what, const std::vector<Encoder>& encoders) {
  std::string names;
  for (const Encoder& encoder : encoders)
    if (*encoder.package)
      names +=
          std::string(names.empty() ? "" : " or ") + encoder.package + " (" + encoder.element + ")";
  return std::string("No encoder for ") + what + " is installed: install " + names + ".";
}

}  // namespace

const std::vector<std::string>& container_names() {
  static const std::vector<std::string> names = {"mp4", "mkv", "webm", "wav"};
  return names;
}

const char* name_of(Container container) {
  return container_names()[static_cast<size_t>(container)].c_str();
}

std::optional<Container> container_named(const std::string& name) {
  g_autofree gchar* small = g_ascii_strdown(name.c_str(), -1);
  const auto& names = container_names();
  const auto found = std::find(names.begin(), names.end(), small);
  if (found == names.end()) return std::nullopt;
  return static_cast<Container>(found - names.begin());
}

std::optional<Container> container_of(const std::string& path) {
  const size_t slash = path.rfind('/'), dot = path.rfind('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return std::nullopt;
  return container_named(path.substr(dot + 1));
}

std::optional<Graph> choose_graph(Container container, bool stream, std::string& problem) {
  Graph graph;
  const char *muxer = nullptr, *package = "gstreamer1.0-plugins-good";
  switch (container) {
    case Container::kMp4:
      // A box of its own for each second can be written without going back.
      muxer = stream ? "mp4mux fragment-duration=1000 streamable=true" : "mp4mux";
      break;
    case Container::kMkv:
      muxer = stream ? "matroskamux streamable=true" : "matroskamux";
      break;
    case Container::kWebm:
      muxer = stream ? "webmmux streamable=true" : "webmmux";
      break;
    case Container::kWav:
      muxer = "wavenc";
      break;
  }
  const std::string element = std::string(muxer).substr(0, std::string(muxer).find(' '));
  if (!is_installed(element)) {
    problem = std::string("The writer of such files (") + element + ") is not installed: install " +
              package + ".";
    return std::nullopt;
  }
  const std::string sink = stream ? "fdsink name=file" : "filesink name=file";
  if (container == Container::kWav) {
    graph.audio = "wavenc";
    graph.description =
        "audioconvert name=audio ! audio/x-raw,format=S16LE ! wavenc name=mux ! " + sink;
    return graph;
  }
  const bool webm = container == Container::kWebm, mp4 = container == Container::kMp4;
  const Encoder* video = best(webm ? kVp : kH264);
  const Encoder* audio = best(mp4 ? kAac : kOpus);
  if (!video || !audio) {
    problem = video ? to_install(mp4 ? "AAC" : "Opus", mp4 ? kAac : kOpus)
                    : to_install(webm ? "VP9 or VP8" : "H.264", webm ? kVp : kH264);
    return std::nullopt;
  }
  graph.video = video->element;
  graph.audio = audio->element;
  // 48 kHz: AAC's first samples are silence, and fewer milliseconds of it at a higher rate.
  graph.description =
      "videoconvert name=video ! " +
      std::string(video->hardware ? "video/x-raw,format=NV12 ! " : "video/x-raw,format=I420 ! ") +
      video->line +
      " ! queue ! mux. audioconvert name=audio ! audioresample ! "
      "audio/x-raw,rate=48000 ! " +
      audio->line + " ! queue ! mux. " + muxer + " name=mux ! " + sink;
  return graph;
}

GstElement* build_graph(const Graph& graph, std::string& problem) {
  g_autoptr(GError) error = nullptr;
  GstElement* bin = gst_parse_bin_from_description_full(graph.description.c_str(), FALSE, nullptr,
                                                        GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!bin) {
    problem = std::string("The encoders cannot be put together: ") +
              (error ? error->message : "no reason given");
    return nullptr;
  }
  for (const char* name : {"video", "audio"}) {
    GstElement* first = gst_bin_get_by_name(GST_BIN(bin), name);
    if (!first) continue;
    GstPad* pad = gst_element_get_static_pad(first, "sink");
    gst_element_add_pad(bin, gst_ghost_pad_new(name, pad));
    gst_object_unref(pad);
    gst_object_unref(first);
  }
  return bin;
}

}  // namespace ovii2v::tools
