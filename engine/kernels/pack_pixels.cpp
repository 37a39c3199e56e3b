// SPDX-License-Identifier: Apache-2.0
#include "kernels/pack_pixels.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include "kernels/cuda_kernels.h"
#include "kernels/pack_pixels.cuh"
#include "runtime/host_clones.h"

namespace ovi::kernels {
namespace {

bool is_yuv(Pixels pixels) { return pixels == Pixels::kI420 || pixels == Pixels::kNv12; }

bool known(const at::Tensor& video) {
  return has_kernel_type(video) && video.size(3) % 4 == 0 && video.size(2) % 2 == 0;
}

at::Tensor space_for(const at::Tensor& video, Pixels pixels) {
  const int64_t size = video.size(2) * video.size(3);
  const int64_t bytes = is_yuv(pixels)           ? size + size / 2
                        : pixels == Pixels::kRgb ? 3 * size
                                                 : 4 * size;
  return at::empty({video.size(1), bytes}, video.options().dtype(at::kByte));
}

PackPixelsArgs arguments(const at::Tensor& video, Pixels pixels, at::Tensor out) {
  PackPixelsArgs args;
  args.frames = video.size(1);
  args.height = video.size(2);
  args.width = video.size(3);
  args.of_channel = video.stride(0);
  args.of_frame = video.stride(1);
  args.of_row = video.stride(2);
  args.of_column = video.stride(3);
  args.element = element_of(video);
  args.pixels = pixels;
  args.aligned = args.of_column == 1 && args.of_row % 4 == 0 && args.of_frame % 4 == 0 &&
                 args.of_channel % 4 == 0 &&
                 reinterpret_cast<uintptr_t>(video.const_data_ptr()) % 16 == 0;
  args.video = video.const_data_ptr();
  args.out = out.mutable_data_ptr<uint8_t>();
  return args;
}

OVI_HOST_CLONES_EXACT void run_float(const PackPixels<float>& body, int64_t begin, int64_t end) {
  run_items(body, begin, end);
}

OVI_HOST_CLONES_EXACT void run_bfloat16(const PackPixels<Bfloat16>& body, int64_t begin,
                                        int64_t end) {
  run_items(body, begin, end);
}

template <typename Body, typename Run>
void run_all(const Body& body, Run run) {
  constexpr int64_t kItemsATask = 8192;
  at::parallel_for(0, body.items(), kItemsATask,
                   [&](int64_t begin, int64_t end) { run(body, begin, end); });
}

}  // namespace

at::Tensor pack_pixels(const at::Tensor& video, Pixels pixels) {
  if (!known(video)) return twin::pack_pixels(video, pixels);
  if (video.is_cpu()) return host::pack_pixels(video, pixels);
  const CudaTable* cuda = cuda_table_for(video, Kernel::kPackPixels);
  if (!cuda) return twin::pack_pixels(video, pixels);
  at::Tensor out = space_for(video, pixels);
  run_on_cuda(*cuda, cuda->pack_pixels, arguments(video, pixels, out), video, Kernel::kPackPixels);
  return out;
}

at::Tensor host::pack_pixels(const at::Tensor& video, Pixels pixels) {
  at::Tensor out = space_for(video, pixels);
  const PackPixelsArgs args = arguments(video, pixels, out);
  if (args.element == Element::kFloat)
    run_all(PackPixels<float>{args}, run_float);
  else
    run_all(PackPixels<Bfloat16>{args}, run_bfloat16);
  return out;
}

namespace twin {
namespace {

// Luma weights of ITU-R BT.709-6, item 3.2.
constexpr double kRed = 0.2126, kGreen = 0.7152, kBlue = 0.0722;

at::Tensor to_bytes(const at::Tensor& x) { return x.round().clamp_(0, 255).to(at::kByte); }

// [T, H, W, channels] interleaved.
at::Tensor pack_rgb(const at::Tensor& rgb, Pixels pixels) {
  const at::Tensor bytes = to_bytes(rgb * 127.5 + 127.5).permute({1, 2, 3, 0});
  if (pixels == Pixels::kRgb) return bytes.flatten(1);
  auto shape = bytes.sizes().vec();
  shape.back() = 1;
  const at::Tensor opaque = at::full(shape, 255, bytes.options());
  if (pixels == Pixels::kRgba) return at::cat({bytes, opaque}, 3).flatten(1);
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

at::Tensor pack_yuv(const at::Tensor& rgb, Pixels pixels) {
  const at::Tensor unit = rgb * 0.5 + 0.5;
  const at::Tensor r = unit[0], g = unit[1], b = unit[2];
  const at::Tensor luma = r * kRed + g * kGreen + b * kBlue;
  const auto chroma = [&](const at::Tensor& colour, double weight) {
    return to_bytes(halve((colour - luma) * (224.0 / (2.0 * (1.0 - weight)))) + 128.0);
  };
  const at::Tensor y = to_bytes(luma * 219.0 + 16.0).flatten(1);
  const at::Tensor cb = chroma(b, kBlue), cr = chroma(r, kRed);
  if (pixels == Pixels::kNv12) return at::cat({y, at::stack({cb, cr}, 3).flatten(1)}, 1);
  return at::cat({y, cb.flatten(1), cr.flatten(1)}, 1);
}

}  // namespace

at::Tensor pack_pixels(const at::Tensor& video, Pixels pixels) {
  const at::Tensor rgb = video.to(at::kFloat);
  return (is_yuv(pixels) ? pack_yuv(rgb, pixels) : pack_rgb(rgb, pixels)).contiguous();
}

}  // namespace twin
}  // namespace ovi::kernels
