// From the element's raw streams to a file: which encoders and which muxer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>
#include <vector>

namespace ovii2v::tools {

enum class Container { kMp4, kMkv, kWebm, kWav };

/// "mp4", "mkv", "webm", "wav": in the order of the enumeration.
const std::vector<std::string>& container_names();
const char* name_of(Container container);
std::optional<Container> container_named(const std::string& name);
/// By the ending of a file's name, in large letters or small.
std::optional<Container> container_of(const std::string& path);

/// The encoders that are used here, found once: what is installed, and of hardware what also
/// encodes a frame.
struct Graph {
  std::string video, audio;  // names of encoders; empty: no such stream
  std::string description;   // for gst_parse_bin_from_description()
};

/// The best there is. Empty, with `problem` filled (what to install), when something is missing.
/// `stream`: what cannot be written again from its beginning.
std::optional<Graph> choose_graph(Container container, bool stream, std::string& problem);

/// The bin of a graph, with the sink pads "video" (unless there is none) and "audio", that ends in
/// a sink named "file". Null, with `problem` filled, when it cannot be built.
GstElement* build_graph(const Graph& graph, std::string& problem);

}  // namespace ovii2v::tools
