// Finds the element: by GStreamer's own search, else where it lies beside this program.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <string>

namespace ovii2v::tools {

/// A new ovii2vsrc, which is the caller's (floating). Null, with `problem` and `way_out` filled,
/// when there is none.
GstElement* make_source(std::string& problem, std::string& way_out);

/// "0.2.0"; empty when there is no plug-in.
std::string plugin_version();
/// The plug-in's file, to look for the engine beside it; empty when there is none.
std::string plugin_file();

/// Lets what reads pictures in this process find the decoder that the plug-in has
/// (OVII2V_PICTURE_PATH), unless the user has named one.
void find_picture_decoder();

}  // namespace ovii2v::tools
