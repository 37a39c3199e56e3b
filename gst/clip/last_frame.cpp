// The last frame of a clip as the picture the next one begins with.
// SPDX-License-Identifier: Apache-2.0
#include "clip/last_frame.h"

#include <gst/video/video.h>

#include "stream/caps.h"
#include "stream/host_memory.h"

namespace ovii2v {

Image picture_of(GstBuffer* frame, ovi_pixel_format format, const ovi_plan& plan, uint32_t width,
                 uint32_t height) {
  g_autoptr(GstCaps) caps = video_caps(plan, format);
  GstVideoInfo from, to;
  gst_video_info_from_caps(&from, caps);
  // 16 bits: the converter's 8-bit path is off by up to 4, which many clips would add up.
  gst_video_info_set_format(&to, GST_VIDEO_FORMAT_ARGB64, width, height);
  to.fps_n = from.fps_n;
  to.fps_d = from.fps_d;
  Image image{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  expect_host_memory(converter_bytes(plan.width, width));
  g_autoptr(GstBuffer) out = new_host_buffer(GST_VIDEO_INFO_SIZE(&to));
  GstVideoConverter* converter = gst_video_converter_new(
      &from, &to,
      gst_structure_new("config", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
                        GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, nullptr));
  GstVideoFrame source, target;
  gst_video_frame_map(&source, &from, frame, GST_MAP_READ);
  gst_video_frame_map(&target, &to, out, GST_MAP_READWRITE);
  gst_video_converter_frame(converter, &source, &target);
  uint8_t* rgb = image.pixels.data();
  for (uint32_t y = 0; y < height; ++y) {
    const auto* argb = reinterpret_cast<const uint16_t*>(
        static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&target, 0)) +
        y * static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&target, 0)));
    for (uint32_t x = 0; x < width; ++x, argb += 4)
      for (int c = 1; c < 4; ++c) *rgb++ = static_cast<uint8_t>((argb[c] * 255u + 32767u) / 65535u);
  }
  gst_video_frame_unmap(&target);
  gst_video_frame_unmap(&source);
  gst_video_converter_free(converter);
  return image;
}

std::pair<uint32_t, uint32_t> picture_size_for(
    uint32_t width, uint32_t height, const std::function<bool(uint32_t, uint32_t)>& gives) {
  if (gives(width, height)) return {width, height};
  for (uint32_t more = 1; more <= width / 4; ++more)
    for (const uint32_t near : {width + more, width - more})
      if (gives(near, height)) return {near, height};
  return {width, height};
}

}  // namespace ovii2v
