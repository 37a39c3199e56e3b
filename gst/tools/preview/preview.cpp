// What the clip is about to become: in the terminal, or in a file beside it.
// SPDX-License-Identifier: Apache-2.0
#include "preview/preview.h"

#include <gst/video/video.h>
#include <unistd.h>

#include <cstring>

#include "preview/png.h"
#include "target.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

/// clip.mp4 -> clip.preview.png
std::string beside(const std::string& output) {
  const size_t dot = output.rfind('.');
  const bool ending = dot != std::string::npos && output.find('/', dot) == std::string::npos;
  return output.substr(0, ending ? dot : output.size()) + ".preview.png";
}

std::optional<Pixels> pixels_of(const GstStructure* message) {
  const GValue* value = gst_structure_get_value(message, "sample");
  GstSample* sample = value ? gst_value_get_sample(value) : nullptr;
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!sample || !gst_sample_get_caps(sample) ||
      !gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
      GST_VIDEO_INFO_FORMAT(&info) != GST_VIDEO_FORMAT_RGB || !gst_sample_get_buffer(sample) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
    return std::nullopt;
  Pixels pixels{static_cast<unsigned>(info.width), static_cast<unsigned>(info.height), {}};
  pixels.rgb.resize(size_t{3} * pixels.width * pixels.height);
  for (unsigned y = 0; y < pixels.height; ++y)
    std::memcpy(pixels.row(y),
                static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                    static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0)) * y,
                size_t{3} * pixels.width);
  gst_video_frame_unmap(&frame);
  return pixels;
}

}  // namespace

void Preview::begin(const std::string& output, bool force) {
  end();
  if (!options_.shown) return;
  if (!looked_) terminal_ = TerminalPicture::find();
  looked_ = true;
  if (terminal_) terminal_->begin_another();
  if (terminal_ && !options_.keep) return;
  if (output == "-" || is_stream(output)) {
    complain(
        "warning: no preview: nothing lies beside a stream, and stdout is no terminal that "
        "shows pictures");
    return;
  }
  path_ = beside(output);
  if (exists(path_) && !force) {
    complain("warning: no preview: " + shown_file(path_) +
             " is there already; --force replaces it");
    path_.clear();
  }
}

void Preview::show(GstMessage* message) {
  if (!options_.shown || !gst_message_has_name(message, "ovii2v-preview")) return;
  const auto pixels = pixels_of(gst_message_get_structure(message));
  if (!pixels) return;
  if (terminal_) terminal_->show(*pixels);
  if (!path_.empty()) write(*pixels);
}

void Preview::write(const Pixels& pixels) {
  const std::string png = png_of(pixels);
  if (png.empty()) return;
  g_autoptr(GError) error = nullptr;
  if (!g_file_set_contents_full(path_.c_str(), png.data(), static_cast<gssize>(png.size()),
                                G_FILE_SET_CONTENTS_CONSISTENT, 0666, &error)) {
    complain("warning: no preview: " + shown(error->message));
    path_.clear();
    return;
  }
  if (!written_ && !quiet_) complain(shown_file(path_) + ": what the clip is about to become");
  written_ = true;
}

void Preview::end() {
  if (written_ && !options_.keep) unlink(path_.c_str());
  written_ = false;
  path_.clear();
}

}  // namespace ovii2v::tools
