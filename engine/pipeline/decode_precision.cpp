// SPDX-License-Identifier: Apache-2.0
#include "pipeline/decode_precision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include <cmath>

#include "models/video_vae.h"
#include "runtime/device.h"
#include "weights/weights.h"

namespace ovi {
namespace {

constexpr int64_t kSide = 4, kLatents = 2;  // the second one has a past
constexpr uint64_t kSeed = 1;

double squared_error(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).square().sum().item<double>();
}

}  // namespace

double bfloat16_decode_psnr(const std::shared_ptr<const TensorSource>& video_vae) {
  const c10::InferenceMode inference;
  const at::Tensor latents =
      at::randn({1, video_vae::kLatentChannels, kLatents, kSide, kSide},
                make_generator(c10::kCPU, kSeed), at::TensorOptions().dtype(at::kFloat));
  const auto decoder = [&](at::ScalarType dtype) {
    Placement placement;
    placement.dtype = dtype;
    return VideoVaeDecoder(Weights(video_vae, placement));
  };
  const VideoVaeDecoder exact = decoder(at::kFloat), rounded = decoder(at::kBFloat16);
  auto expected = exact.start(latents), got = rounded.start(latents);
  double error = 0;
  int64_t values = 0;
  while (!expected.done()) {
    const at::Tensor frames = expected.next();
    error += squared_error(frames, got.next());
    values += frames.numel();
  }
  // Pixels are -1..1.
  return 10 * std::log10(4.0 * static_cast<double>(values) / error);
}

}  // namespace ovi
