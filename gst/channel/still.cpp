// A picture as a frame of a clip: what is shown while none is there.
// SPDX-License-Identifier: Apache-2.0
#include "still.h"

#include <gst/video/video.h>

#include "stream/caps.h"
#include "stream/host_memory.h"

namespace ovii2v {

GstBuffer* still_frame(const Image* image, const ovi_plan& plan, ovi_pixel_format format) {
  static const Image black{1, 1, {0, 0, 0}};
  if (!image) image = &black;
  g_autoptr(GstCaps) caps = video_caps(plan, format);
  GstVideoInfo from, to;
  gst_video_info_from_caps(&to, caps);
  gst_video_info_set_format(&from, GST_VIDEO_FORMAT_RGB, image->width, image->height);
  from.fps_n = to.fps_n;
  from.fps_d = to.fps_d;
  from.stride[0] = static_cast<gint>(3 * image->width);
  from.size = image->pixels.size();
  expect_host_memory(converter_bytes(image->width, plan.width));
  GstBuffer* out = new_host_buffer(GST_VIDEO_INFO_SIZE(&to));
  GstBuffer* in = gst_buffer_new_wrapped_full(
      GST_MEMORY_FLAG_READONLY, const_cast<uint8_t*>(image->pixels.data()), image->pixels.size(), 0,
      image->pixels.size(), nullptr, nullptr);
  gst_buffer_add_video_meta_full(in, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, image->width,
                                 image->height, 1, from.offset, from.stride);
  GstVideoConverter* converter = gst_video_converter_new(
      &from, &to,
      gst_structure_new("config", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
                        GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, nullptr));
  GstVideoFrame source, target;
  gst_video_frame_map(&source, &from, in, GST_MAP_READ);
  gst_video_frame_map(&target, &to, out, GST_MAP_WRITE);
  gst_video_converter_frame(converter, &source, &target);
  gst_video_frame_unmap(&target);
  gst_video_frame_unmap(&source);
  gst_video_converter_free(converter);
  gst_buffer_unref(in);
  gst_buffer_add_video_meta_full(out, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&to),
                                 GST_VIDEO_INFO_WIDTH(&to), GST_VIDEO_INFO_HEIGHT(&to),
                                 GST_VIDEO_INFO_N_PLANES(&to), to.offset, to.stride);
  return out;
}

}  // namespace ovii2v
