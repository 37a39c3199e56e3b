// A frame of a film as 8-bit RGB, in the numbers that its stream means.
// SPDX-License-Identifier: Apache-2.0
#include "film_frame.h"

#include <gst/video/video.h>

#include <algorithm>
#include <cstring>

#include "decoders.h"

namespace ovii2v::picture {
namespace {

const Refusal& unreadable() {
  static const Refusal refusal(Outcome::kBroken, "its first frame cannot be read");
  return refusal;
}

/// What a stream leaves open, as GStreamer takes it where nothing at all is said: films of standard
/// definition have BT.601's matrix, larger ones BT.709's.
void complete(GstVideoInfo& info, const GstCaps* caps) {
  if (!GST_VIDEO_INFO_IS_YUV(&info)) return;
  GstVideoColorimetry& colors = info.colorimetry;
  // Where one part is not said, GStreamer's own reading of the caps drops the others too.
  const char* said = gst_structure_get_string(gst_caps_get_structure(caps, 0), "colorimetry");
  const bool known = said && gst_video_colorimetry_from_string(&colors, said);
  // Three planes of one size may be green, blue and red; others cannot.
  const bool whole = GST_VIDEO_FORMAT_INFO_W_SUB(info.finfo, 1) == 0 &&
                     GST_VIDEO_FORMAT_INFO_H_SUB(info.finfo, 1) == 0;
  constexpr int kStandardHeight = 576;  // pixels
  if (colors.matrix == GST_VIDEO_COLOR_MATRIX_UNKNOWN ||
      (colors.matrix == GST_VIDEO_COLOR_MATRIX_RGB && !(known && whole)))
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

/// From 16 bits a component to 8-bit RGB.
class Narrowing {
 public:
  explicit Narrowing(const GstVideoInfo& info) {
    if (!GST_VIDEO_INFO_IS_YUV(&info)) return;
    gint offset[GST_VIDEO_MAX_COMPONENTS], scale[GST_VIDEO_MAX_COMPONENTS];
    gst_video_color_range_offsets(info.colorimetry.range, info.finfo, offset, scale);
    // What 16 bits mean of the samples that were.
    const double sample =
        static_cast<double>((1u << GST_VIDEO_FORMAT_INFO_DEPTH(info.finfo, 0)) - 1) / 65535;
    for (int c = 0; c < 3; ++c) {
      times_[c] = static_cast<float>(255 * sample / scale[c]);
      minus_[c] = static_cast<float>(255.0 * offset[c] / scale[c]);
    }
    double red = 0, blue = 0;
    yuv_ = gst_video_color_matrix_get_Kr_Kb(info.colorimetry.matrix, &red, &blue);
    if (!yuv_) {  // green, blue, red
      planes_ = true;
      for (int c = 1; c < 3; ++c) times_[c] = times_[0], minus_[c] = minus_[0];
      return;
    }
    const double green = 1 - red - blue;
    from_v_[0] = static_cast<float>(2 * (1 - red));
    from_v_[1] = static_cast<float>(-2 * red * (1 - red) / green);
    from_u_[1] = static_cast<float>(-2 * blue * (1 - blue) / green);
    from_u_[2] = static_cast<float>(2 * (1 - blue));
  }

  void row(const uint8_t* in, uint32_t count, uint8_t* out) const {
    for (uint32_t x = 0; x < count; ++x, in += 8, out += 3) {
      uint16_t pixel[4];  // alpha first
      std::memcpy(pixel, in, sizeof pixel);
      float value[3];
      for (int c = 0; c < 3; ++c)
        value[c] = static_cast<float>(pixel[c + 1]) * times_[c] - minus_[c];
      for (int c = 0; c < 3; ++c) {
        const float color = yuv_      ? value[0] + from_u_[c] * value[1] + from_v_[c] * value[2]
                            : planes_ ? value[(c + 2) % 3]
                                      : value[c];
        out[c] = static_cast<uint8_t>(std::clamp(color, 0.0f, 255.0f) + 0.5f);
      }
    }
  }

 private:
  bool yuv_ = false, planes_ = false;
  float times_[3] = {255.0f / 65535, 255.0f / 65535, 255.0f / 65535};
  float minus_[3] = {};
  float from_u_[3] = {}, from_v_[3] = {};
};

Bitmap raw_frame(GstSample* sample, const Limits& limits) {
  GstVideoInfo info, wide;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample))) throw unreadable();
  complete(info, gst_sample_get_caps(sample));
  Bitmap bitmap = make_bitmap(static_cast<uint64_t>(GST_VIDEO_INFO_WIDTH(&info)),
                              static_cast<uint64_t>(GST_VIDEO_INFO_HEIGHT(&info)), limits);
  // GStreamer spreads the chroma, in 16 bits; its own matrices are off by a few levels of 8 bits.
  gst_video_info_set_format(
      &wide, GST_VIDEO_INFO_IS_YUV(&info) ? GST_VIDEO_FORMAT_AYUV64 : GST_VIDEO_FORMAT_ARGB64,
      bitmap.width, bitmap.height);
  wide.interlace_mode = info.interlace_mode;
  wide.fps_n = info.fps_n, wide.fps_d = info.fps_d;
  if (GST_VIDEO_INFO_IS_YUV(&info)) {
    wide.colorimetry = info.colorimetry;
  } else {
    wide.colorimetry.primaries = info.colorimetry.primaries;
    wide.colorimetry.transfer = info.colorimetry.transfer;
  }
  g_autoptr(GstBuffer) converted = gst_buffer_new_allocate(nullptr, wide.size, nullptr);
  if (!converted) throw std::bad_alloc();
  Frame in, out;
  if (!in.map(info, gst_sample_get_buffer(sample), GST_MAP_READ) ||
      !out.map(wide, converted, GST_MAP_READWRITE))
    throw unreadable();
  GstVideoConverter* converter = gst_video_converter_new(
      &info, &wide,
      gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
                        GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, nullptr));
  if (!converter) throw unreadable();
  gst_video_converter_frame(converter, &in.frame, &out.frame);
  gst_video_converter_free(converter);
  const Narrowing narrowing(info);
  const auto* data = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&out.frame, 0));
  const auto stride = static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&out.frame, 0));
  for (uint32_t y = 0; y < bitmap.height; ++y)
    narrowing.row(data + stride * y, bitmap.width, bitmap.row(y));
  return bitmap;
}

/// Where the JPEG behind the first one begins; the size where there is none.
size_t second_jpeg(const Bytes& data) {
  const size_t end = data.text().find("\xFF\xD9");
  return end == std::string_view::npos
             ? data.size()
             : std::min(data.text().find("\xFF\xD8\xFF", end), data.size());
}

/// GStreamer's decoder makes 4:2:0 of every sampling; ours is the one for stills.
Bitmap jpeg_frame(GstSample* sample, const Limits& limits) {
  GstMapInfo map;
  if (!gst_buffer_map(gst_sample_get_buffer(sample), &map, GST_MAP_READ)) throw unreadable();
  const struct Unmap {
    GstBuffer* buffer;
    GstMapInfo* map;
    ~Unmap() { gst_buffer_unmap(buffer, map); }
  } unmap{gst_sample_get_buffer(sample), &map};
  const Bytes data{{map.data, map.size}};
  Bitmap bitmap = decode_jpeg(data, limits);
  int height = 0;
  gst_structure_get_int(gst_caps_get_structure(gst_sample_get_caps(sample), 0), "height", &height);
  const size_t second = second_jpeg(data);
  if (height < 0 || static_cast<uint32_t>(height) <= bitmap.height || second == data.size())
    return bitmap;
  // Two fields, the upper one first.
  Bitmap lower = decode_jpeg(data.part(second, data.size()), limits);
  if (lower.width != bitmap.width || lower.height != bitmap.height) return bitmap;
  Bitmap woven = make_bitmap(bitmap.width, uint64_t{2} * bitmap.height, limits);
  for (uint32_t y = 0; y < woven.height; ++y)
    std::memcpy(woven.row(y), (y % 2 ? lower : bitmap).row(y / 2), size_t{3} * woven.width);
  return woven;
}

}  // namespace

Bitmap frame_of_film(GstSample* sample, const Limits& limits) {
  const GstStructure* what = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
  return gst_structure_has_name(what, "image/jpeg") ? jpeg_frame(sample, limits)
                                                    : raw_frame(sample, limits);
}

}  // namespace ovii2v::picture
