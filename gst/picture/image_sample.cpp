// A picture that an application has in memory: the property "image-sample".
// SPDX-License-Identifier: Apache-2.0
#include "picture/image_sample.h"

#include <gst/video/video.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <new>

#include "stream/host_memory.h"

namespace ovii2v {
namespace {

constexpr int64_t kMostPixels = 100'000'000;  // as for pictures that are read
constexpr size_t kPaletteBytes = 4 * 256;

Failure wrong(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_STREAM_ERROR, code, "The image-sample " + message, detail};
}

std::string text_of(const GstCaps* caps) {
  g_autofree char* text = gst_caps_to_string(caps);
  return text;
}

/// Where the planes lie: as a GstVideoMeta says, else as the caps do.
struct Layout {
  GstVideoInfo info;
  GstVideoCropMeta crop{};  // width 0: none
  uint32_t width, height;   // of the picture, with square pixels
};

/// The bytes from the begin of a plane to the end of its last row; 0 when a row does not fit into
/// its stride.
size_t extent(const GstVideoInfo& info, const GstVideoInfo& packed, guint plane) {
  const GstVideoFormatInfo* format = info.finfo;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE(format) && plane == 1) return kPaletteBytes;
  guint component = 0;
  const auto components = static_cast<guint>(GST_VIDEO_INFO_N_COMPONENTS(&info));
  while (component < components &&
         static_cast<guint>(GST_VIDEO_INFO_COMP_PLANE(&info, component)) != plane)
    ++component;
  if (component == components) return 0;
  const auto rows = static_cast<size_t>(GST_VIDEO_INFO_COMP_HEIGHT(&info, component));
  const auto stride = static_cast<int64_t>(GST_VIDEO_INFO_PLANE_STRIDE(&info, plane));
  const auto usual = static_cast<int64_t>(GST_VIDEO_INFO_PLANE_STRIDE(&packed, plane));
  // The usual stride is rounded up to 4 bytes; others need not be.
  const gint pixel = GST_VIDEO_INFO_COMP_PSTRIDE(&info, component);
  const int64_t row =
      pixel > 0
          ? std::min<int64_t>(usual, int64_t{pixel} * GST_VIDEO_INFO_COMP_WIDTH(&info, component))
          : usual;
  if (rows == 0 || stride < row) return 0;
  return static_cast<size_t>(stride) * (rows - 1) + static_cast<size_t>(row);
}

std::optional<Failure> read_layout(GstSample* sample, Layout& layout) {
  GstCaps* caps = gst_sample_get_caps(sample);
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  if (!caps || !buffer) return wrong(GST_STREAM_ERROR_FORMAT, "has no caps or no buffer.");
  if (!gst_caps_is_fixed(caps))
    return wrong(GST_STREAM_ERROR_FORMAT, "has caps that are not fixed.", text_of(caps));
  const GstStructure* what = gst_caps_get_structure(caps, 0);
  if (!gst_structure_has_name(what, "video/x-raw"))
    return wrong(GST_STREAM_ERROR_WRONG_TYPE,
                 std::string("is ") + gst_structure_get_name(what) +
                     ", not raw video: decode it first, or set \"image\" to a file or data: URI.",
                 text_of(caps));
  if (!gst_caps_features_is_equal(gst_caps_get_features(caps, 0),
                                  GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY))
    return wrong(GST_STREAM_ERROR_WRONG_TYPE,
                 "does not lie in system memory: download it first (gldownload, cudadownload).",
                 text_of(caps));
  int width = 0, height = 0;
  gst_structure_get_int(what, "width", &width);
  gst_structure_get_int(what, "height", &height);
  if (width <= 0 || height <= 0 || width > kMostPixels / height)
    return wrong(GST_STREAM_ERROR_FORMAT, "has no size, or more than 100 megapixels.",
                 text_of(caps));
  GstVideoInfo& info = layout.info;
  if (!gst_video_info_from_caps(&info, caps) ||
      GST_VIDEO_INFO_FORMAT(&info) <= GST_VIDEO_FORMAT_ENCODED ||
      GST_VIDEO_INFO_INTERLACE_MODE(&info) == GST_VIDEO_INTERLACE_MODE_ALTERNATE)
    return wrong(GST_STREAM_ERROR_FORMAT, "has caps that no picture can be made of.",
                 text_of(caps));
  const GstVideoInfo packed = info;
  const GstVideoMeta* meta = gst_buffer_get_video_meta(buffer);
  const size_t bytes = gst_buffer_get_size(buffer);
  bool fits = bytes >= info.size;
  if (meta) {
    fits = meta->format == GST_VIDEO_INFO_FORMAT(&info) &&
           meta->width == static_cast<guint>(width) && meta->height == static_cast<guint>(height) &&
           meta->n_planes == GST_VIDEO_INFO_N_PLANES(&info);
    const bool tiled = GST_VIDEO_FORMAT_INFO_IS_TILED(info.finfo);
    if (tiled && bytes < info.size) fits = false;
    for (guint plane = 0; fits && plane < meta->n_planes; ++plane) {
      if (tiled) {
        fits =
            meta->offset[plane] == info.offset[plane] && meta->stride[plane] == info.stride[plane];
        continue;
      }
      info.offset[plane] = meta->offset[plane];
      info.stride[plane] = meta->stride[plane];
      const size_t needed = extent(info, packed, plane);
      fits = needed && meta->offset[plane] <= bytes && needed <= bytes - meta->offset[plane];
    }
  }
  if (!fits)
    return wrong(GST_STREAM_ERROR_FORMAT,
                 "has a buffer that is smaller than its caps (or its GstVideoMeta) say.",
                 std::to_string(bytes) + " bytes; " + text_of(caps));
  uint64_t wide = static_cast<uint64_t>(width), high = static_cast<uint64_t>(height);
  if (const GstVideoCropMeta* crop = gst_buffer_get_video_crop_meta(buffer)) {
    if (crop->width == 0 || crop->height == 0 || crop->x > wide || crop->width > wide - crop->x ||
        crop->y > high || crop->height > high - crop->y)
      return wrong(GST_STREAM_ERROR_FORMAT, "is cropped to what lies outside of it.");
    layout.crop = *crop;
    wide = crop->width;
    high = crop->height;
  }
  // The larger of the two ways to square pixels: nothing is lost.
  const auto par_n = static_cast<uint64_t>(GST_VIDEO_INFO_PAR_N(&info));
  const auto par_d = static_cast<uint64_t>(GST_VIDEO_INFO_PAR_D(&info));
  if (par_n > par_d)
    wide = gst_util_uint64_scale_round(wide, par_n, par_d);
  else if (par_d > par_n)
    high = gst_util_uint64_scale_round(high, par_d, par_n);
  if (wide > static_cast<uint64_t>(kMostPixels) || high > static_cast<uint64_t>(kMostPixels) / wide)
    return wrong(GST_STREAM_ERROR_FORMAT, "has more than 100 megapixels when they are square.",
                 text_of(caps));
  layout.width = static_cast<uint32_t>(wide);
  layout.height = static_cast<uint32_t>(high);
  return std::nullopt;
}

/// The converter reads `pixels`; the sample's own frame may lie in several memories, of which
/// GStreamer would map the first alone.
bool convert(const Layout& layout, GstBuffer* pixels, Image& image) {
  GstVideoInfo in = layout.info, out;
  // Fields are rows of one picture here.
  GST_VIDEO_INFO_INTERLACE_MODE(&in) = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  GST_VIDEO_INFO_PAR_N(&in) = GST_VIDEO_INFO_PAR_D(&in) = 1;
  GST_VIDEO_INFO_FPS_N(&in) = 0;
  GST_VIDEO_INFO_FPS_D(&in) = 1;
  // In 16 bits where there is a matrix to undo: the converter's 8-bit path is off by up to 4.
  const bool wide = GST_VIDEO_INFO_IS_YUV(&in);
  gst_video_info_set_format(&out, wide ? GST_VIDEO_FORMAT_ARGB64 : GST_VIDEO_FORMAT_RGB,
                            layout.width, layout.height);
  const size_t row = size_t{3} * layout.width;
  image.width = layout.width;
  image.height = layout.height;
  image.pixels.resize(row * image.height);
  g_autoptr(GstBuffer) made = new_host_buffer(out.size);
  expect_host_memory(converter_bytes(static_cast<size_t>(GST_VIDEO_INFO_WIDTH(&in)), layout.width));
  GstStructure* config =
      gst_structure_new("how", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD,
                        GST_VIDEO_DITHER_NONE, nullptr);
  if (layout.crop.width)
    gst_structure_set(config, GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT, layout.crop.x,
                      GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, layout.crop.y,
                      GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, layout.crop.width,
                      GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, layout.crop.height, nullptr);
  std::unique_ptr<GstVideoConverter, decltype(&gst_video_converter_free)> converter(
      gst_video_converter_new(&in, &out, config), gst_video_converter_free);
  GstVideoFrame from, to;
  if (!converter || !gst_video_frame_map(&from, &in, pixels, GST_MAP_READ)) return false;
  const bool mapped = gst_video_frame_map(&to, &out, made, GST_MAP_READWRITE);
  if (mapped) {
    gst_video_converter_frame(converter.get(), &from, &to);
    const auto* data = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&to, 0));
    const auto stride = static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&to, 0));
    for (size_t y = 0; y < image.height; ++y) {
      uint8_t* rgb = &image.pixels[row * y];
      if (!wide) {
        memcpy(rgb, data + stride * y, row);
        continue;
      }
      const auto* argb = reinterpret_cast<const uint16_t*>(data + stride * y);
      for (uint32_t x = 0; x < image.width; ++x, argb += 4)
        for (int c = 1; c < 4; ++c)
          *rgb++ = static_cast<uint8_t>((argb[c] * 255u + 32767u) / 65535u);
    }
    gst_video_frame_unmap(&to);
  }
  gst_video_frame_unmap(&from);
  return mapped;
}

/// A buffer's bytes in one piece, mapped as long as it lives.
struct Mapped {
  GstBuffer* buffer;
  GstMapInfo map;
  bool is = false;

  explicit Mapped(GstBuffer* its) {
    if (gst_buffer_n_memory(its) > 1) {  // GStreamer's own way to one would end the process
      const gsize bytes = gst_buffer_get_size(its);
      buffer = new_host_buffer(bytes);
      is = gst_buffer_map(buffer, &map, GST_MAP_WRITE);
      if (is) gst_buffer_extract(its, 0, map.data, bytes);
    } else {
      buffer = gst_buffer_ref(its);
      is = gst_buffer_map(buffer, &map, GST_MAP_READ);
    }
  }
  Mapped(const Mapped&) = delete;
  ~Mapped() {
    if (is) gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
  }
};

}  // namespace

std::optional<Failure> check_image_sample(GstSample* sample) {
  Layout layout;
  return read_layout(sample, layout);
}

std::optional<Image> read_image_sample(GstSample* sample, std::optional<Failure>& failure) {
  Layout layout;
  failure = read_layout(sample, layout);
  if (failure) return std::nullopt;
  Image image;
  try {
    const Mapped pixels(gst_sample_get_buffer(sample));
    if (!pixels.is) {
      failure = wrong(GST_STREAM_ERROR_FORMAT, "cannot be read: its memory cannot be mapped.");
      return std::nullopt;
    }
    const GstMapInfo& map = pixels.map;
    g_autoptr(GstBuffer) whole = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, map.data, map.size, 0, map.size, nullptr, nullptr);
    GstVideoInfo& info = layout.info;
    gst_buffer_add_video_meta_full(whole, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&info),
                                   GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info),
                                   GST_VIDEO_INFO_N_PLANES(&info), info.offset, info.stride);
    if (convert(layout, whole, image)) return image;
  } catch (const std::bad_alloc&) {
    failure = out_of_host_memory("the image-sample");
    return std::nullopt;
  }
  failure = wrong(GST_STREAM_ERROR_FORMAT, "is of a format that cannot be converted to RGB.",
                  text_of(gst_sample_get_caps(sample)));
  return std::nullopt;
}

}  // namespace ovii2v
