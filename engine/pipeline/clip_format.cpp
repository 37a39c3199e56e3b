// SPDX-License-Identifier: Apache-2.0
#include "pipeline/clip_format.h"

#include <ATen/TensorOperators.h>

#include "kernels/pack_pixels.h"

namespace ovi {
namespace {

kernels::Pixels pixels_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::kRgb:
      return kernels::Pixels::kRgb;
    case PixelFormat::kRgba:
      return kernels::Pixels::kRgba;
    case PixelFormat::kBgrx:
      return kernels::Pixels::kBgrx;
    case PixelFormat::kI420:
      return kernels::Pixels::kI420;
    case PixelFormat::kNv12:
      break;
  }
  return kernels::Pixels::kNv12;
}

}  // namespace

FrameLayout frame_layout(PixelFormat format, int64_t height, int64_t width) {
  const int64_t luma = width * height;
  switch (format) {
    case PixelFormat::kRgb:
      return {1, {0}, {3 * width}, 3 * luma};
    case PixelFormat::kRgba:
    case PixelFormat::kBgrx:
      return {1, {0}, {4 * width}, 4 * luma};
    case PixelFormat::kI420:
      return {3, {0, luma, luma + luma / 4}, {width, width / 2, width / 2}, luma + luma / 2};
    case PixelFormat::kNv12:
      return {2, {0, luma}, {width, width}, luma + luma / 2};
  }
  return {};
}

at::Tensor pack_frames(const at::Tensor& video, PixelFormat format) {
  return kernels::pack_pixels(video.squeeze(0), pixels_of(format));
}

at::Tensor pack_samples(const at::Tensor& audio, SampleFormat format) {
  const at::Tensor samples = audio.to(at::kFloat);
  if (format == SampleFormat::kF32) return samples.contiguous();
  return (samples.clamp(-1, 1) * 32767.0).round().to(at::kShort).contiguous();
}

}  // namespace ovi
