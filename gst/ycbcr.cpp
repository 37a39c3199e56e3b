// The pixels of a JPEG file as libjpeg gives them.
// SPDX-License-Identifier: Apache-2.0
#include "ycbcr.h"

#include <algorithm>

namespace ovii2v {
namespace {

/// One chroma plane, read as if it had the size of the luma plane.
struct Chroma {
  const uint8_t* data;
  int stride, width, height, shift_x, shift_y;

  /// Nearer sample 3/4, the one beyond it 1/4, in each halved direction; x 16.
  int at(int x, int y) const {
    const int x0 = x >> shift_x, y0 = y >> shift_y;
    const int x1 = shift_x ? std::clamp(x & 1 ? x0 + 1 : x0 - 1, 0, width - 1) : x0;
    const int y1 = shift_y ? std::clamp(y & 1 ? y0 + 1 : y0 - 1, 0, height - 1) : y0;
    const uint8_t* near = data + static_cast<ptrdiff_t>(y0) * stride;
    const uint8_t* far = data + static_cast<ptrdiff_t>(y1) * stride;
    return 3 * (3 * near[x0] + near[x1]) + 3 * far[x0] + far[x1];
  }
};

Chroma chroma_of(const GstVideoFrame& frame, int component) {
  return {static_cast<const uint8_t*>(GST_VIDEO_FRAME_COMP_DATA(&frame, component)),
          GST_VIDEO_FRAME_COMP_STRIDE(&frame, component),
          GST_VIDEO_FRAME_COMP_WIDTH(&frame, component),
          GST_VIDEO_FRAME_COMP_HEIGHT(&frame, component),
          static_cast<int>(GST_VIDEO_FORMAT_INFO_W_SUB(frame.info.finfo, component)),
          static_cast<int>(GST_VIDEO_FORMAT_INFO_H_SUB(frame.info.finfo, component))};
}

uint8_t clip(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

}  // namespace

bool is_jfif(const GstVideoInfo& info) {
  const GstVideoFormat format = GST_VIDEO_INFO_FORMAT(&info);
  return (format == GST_VIDEO_FORMAT_I420 || format == GST_VIDEO_FORMAT_Y42B ||
          format == GST_VIDEO_FORMAT_Y444) &&
         info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 &&
         info.colorimetry.matrix == GST_VIDEO_COLOR_MATRIX_BT601;
}

std::vector<uint8_t> ycbcr_to_rgb(const GstVideoFrame& frame) {
  const int width = GST_VIDEO_FRAME_WIDTH(&frame), height = GST_VIDEO_FRAME_HEIGHT(&frame);
  const Chroma blue = chroma_of(frame, GST_VIDEO_COMP_U), red = chroma_of(frame, GST_VIDEO_COMP_V);
  std::vector<uint8_t> rgb(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  uint8_t* out = rgb.data();
  for (int y = 0; y < height; ++y) {
    const auto* luma = static_cast<const uint8_t*>(GST_VIDEO_FRAME_COMP_DATA(&frame, 0)) +
                       static_cast<ptrdiff_t>(y) * GST_VIDEO_FRAME_COMP_STRIDE(&frame, 0);
    for (int x = 0; x < width; ++x, out += 3) {
      const float cb = static_cast<float>(blue.at(x, y)) / 16.0f - 128.0f;
      const float cr = static_cast<float>(red.at(x, y)) / 16.0f - 128.0f;
      // ITU-T T.871, 7.
      out[0] = clip(luma[x] + 1.402f * cr);
      out[1] = clip(luma[x] - 0.344136f * cb - 0.714136f * cr);
      out[2] = clip(luma[x] + 1.772f * cb);
    }
  }
  return rgb;
}

}  // namespace ovii2v
