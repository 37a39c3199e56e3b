// What a clip is about to become, as an element message.
// SPDX-License-Identifier: Apache-2.0
#include "clip/preview.h"

#include <gst/video/video.h>

#include <cstring>

#include "clip/preview_picture.h"
#include "stream/host_memory.h"

namespace ovii2v {
namespace {

/// RGB of one frame, which is of no rate.
GstSample* sample_of(const ovi_preview& preview) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, preview.width, preview.height);
  GstBuffer* buffer = new_host_buffer(GST_VIDEO_INFO_SIZE(&info));
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
    const auto stride = static_cast<size_t>(GST_VIDEO_INFO_PLANE_STRIDE(&info, 0));
    const size_t row = size_t{3} * preview.width;
    for (size_t y = 0; y < preview.height; ++y) {
      std::memcpy(map.data + y * stride, preview.rgb + y * preview.stride, row);
      std::memset(map.data + y * stride + row, 0, stride - row);
    }
    gst_buffer_unmap(buffer, &map);
  }
  g_autoptr(GstCaps) caps = gst_video_info_to_caps(&info);
  GstSample* sample = gst_sample_new(buffer, caps, nullptr, nullptr);
  gst_buffer_unref(buffer);
  return sample;
}

}  // namespace

GstStructure* preview_message(uint64_t clip, GstClockTime running_time,
                              const ovi_preview& preview) {
  if (!is_picture(preview)) return nullptr;
  g_autoptr(GstSample) sample = sample_of(preview);
  return gst_structure_new("ovii2v-preview",                                             //
                           "index", G_TYPE_UINT64, static_cast<guint64>(clip),           //
                           "step", G_TYPE_UINT, preview.step, "steps", G_TYPE_UINT,      //
                           preview.steps, "frame", G_TYPE_UINT, preview.frame,           //
                           "running-time", GST_TYPE_CLOCK_TIME, running_time, "sample",  //
                           GST_TYPE_SAMPLE, sample, nullptr);
}

}  // namespace ovii2v
