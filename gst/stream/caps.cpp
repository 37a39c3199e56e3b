// Caps of the two pads, and their way to the engine's formats and back.
// SPDX-License-Identifier: Apache-2.0
#include "stream/caps.h"

namespace ovii2v {
namespace {

struct PixelName {
  const char* name;
  ovi_pixel_format format;
};
constexpr PixelName kPixels[] = {{"RGB", OVI_PIXELS_RGB},
                                 {"RGBA", OVI_PIXELS_RGBA},
                                 {"BGRx", OVI_PIXELS_BGRX},
                                 {"I420", OVI_PIXELS_I420},
                                 {"NV12", OVI_PIXELS_NV12}};

const char* format_of(const GstCaps* caps) {
  const char* name = gst_structure_get_string(gst_caps_get_structure(caps, 0), "format");
  return name ? name : "";
}

}  // namespace

GstCaps* video_caps(const ovi_plan& plan, std::optional<ovi_pixel_format> format) {
  GstCaps* caps = gst_caps_from_string(OVII2V_VIDEO_CAPS);
  gst_caps_set_simple(caps, "width", G_TYPE_INT, static_cast<int>(plan.width), "height", G_TYPE_INT,
                      static_cast<int>(plan.height), "framerate", GST_TYPE_FRACTION,
                      static_cast<int>(plan.frame_rate), 1, nullptr);
  if (!format) return caps;
  for (const PixelName& pixel : kPixels) {
    if (pixel.format != *format) continue;
    g_autoptr(GstCaps) only =
        gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, pixel.name, nullptr);
    GstCaps* fixed = gst_caps_intersect(caps, only);
    gst_caps_unref(caps);
    return fixed;
  }
  return caps;
}

GstCaps* audio_caps(const ovi_plan& plan, std::optional<ovi_sample_format> format) {
  GstCaps* caps = gst_caps_from_string(OVII2V_AUDIO_CAPS);
  gst_caps_set_simple(caps, "rate", G_TYPE_INT, static_cast<int>(plan.sample_rate), nullptr);
  if (format)
    gst_caps_set_simple(caps, "format", G_TYPE_STRING,
                        *format == OVI_SAMPLES_S16 ? GST_AUDIO_NE(S16) : GST_AUDIO_NE(F32),
                        nullptr);
  return caps;
}

GstVideoFormat gst_format(ovi_pixel_format format) {
  for (const PixelName& pixel : kPixels)
    if (pixel.format == format) return gst_video_format_from_string(pixel.name);
  return GST_VIDEO_FORMAT_I420;
}

ovi_pixel_format pixel_format_of(const GstCaps* caps) {
  for (const PixelName& pixel : kPixels)
    if (g_str_equal(format_of(caps), pixel.name)) return pixel.format;
  return OVI_PIXELS_I420;
}

ovi_sample_format sample_format_of(const GstCaps* caps) {
  return g_str_equal(format_of(caps), GST_AUDIO_NE(S16)) ? OVI_SAMPLES_S16 : OVI_SAMPLES_F32;
}

}  // namespace ovii2v
