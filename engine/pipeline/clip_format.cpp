// SPDX-License-Identifier: Apache-2.0
#include "pipeline/clip_format.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

namespace ovi {
namespace {

// Luma weights of ITU-R BT.709-6, item 3.2.
constexpr double kRed = 0.2126, kGreen = 0.7152, kBlue = 0.0722;

at::Tensor to_bytes(const at::Tensor& x) { return x.round().clamp_(0, 255).to(at::kByte); }

// [T, H, W, channels] interleaved.
at::Tensor pack_rgb(const at::Tensor& rgb, PixelFormat format) {
  const at::Tensor bytes = to_bytes(rgb * 127.5 + 127.5).permute({1, 2, 3, 0});
  if (format == PixelFormat::kRgb) return bytes.flatten(1);
  auto shape = bytes.sizes().vec();
  shape.back() = 1;
  const at::Tensor opaque = at::full(shape, 255, bytes.options());
  if (format == PixelFormat::kRgba) return at::cat({bytes, opaque}, 3).flatten(1);
  return at::cat({bytes.flip({3}), opaque}, 3).flatten(1);
}

// [T, H, W] -> [T, H / 2, W / 2]
at::Tensor halve(const at::Tensor& plane) {
  const at::Tensor rows = plane.unflatten(1, {-1, 2}).mean(2);
  const at::Tensor columns = rows.unflatten(2, {-1, 2});
  const at::Tensor here = columns.select(3, 0), right = columns.select(3, 1);
  const at::Tensor left = at::cat({here.narrow(2, 0, 1), right.narrow(2, 0, right.size(2) - 1)}, 2);
  return here * 0.5 + (left + right) * 0.25;
}

at::Tensor pack_yuv(const at::Tensor& rgb, PixelFormat format) {
  const at::Tensor unit = rgb * 0.5 + 0.5;
  const at::Tensor r = unit[0], g = unit[1], b = unit[2];
  const at::Tensor luma = r * kRed + g * kGreen + b * kBlue;
  const auto chroma = [&](const at::Tensor& colour, double weight) {
    return to_bytes(halve((colour - luma) * (224.0 / (2.0 * (1.0 - weight)))) + 128.0);
  };
  const at::Tensor y = to_bytes(luma * 219.0 + 16.0).flatten(1);
  const at::Tensor cb = chroma(b, kBlue), cr = chroma(r, kRed);
  if (format == PixelFormat::kNv12) return at::cat({y, at::stack({cb, cr}, 3).flatten(1)}, 1);
  return at::cat({y, cb.flatten(1), cr.flatten(1)}, 1);
}

// Into pinned memory when it comes from a GPU, so that the copy runs at full speed.
at::Tensor to_host(const at::Tensor& x) {
  if (x.is_cpu()) return x.contiguous();
  at::Tensor host = at::empty_like(x, x.options().device(at::kCPU).pinned_memory(true));
  return host.copy_(x);
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
  const at::Tensor rgb = video.squeeze(0).to(at::kFloat);
  const bool yuv = format == PixelFormat::kI420 || format == PixelFormat::kNv12;
  return to_host(yuv ? pack_yuv(rgb, format) : pack_rgb(rgb, format));
}

at::Tensor pack_samples(const at::Tensor& audio, SampleFormat format) {
  const at::Tensor samples = audio.to(at::kFloat);
  if (format == SampleFormat::kF32) return to_host(samples);
  return to_host((samples.clamp(-1, 1) * 32767.0).round().to(at::kShort));
}

}  // namespace ovi
