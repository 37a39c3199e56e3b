// SPDX-License-Identifier: Apache-2.0
#include "whole_clip_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <string>

#include "models/video_vae_latents.h"

namespace ovi::testing {
namespace {

class Plain {
 public:
  explicit Plain(const TensorSource& weights) : weights_(weights) {}

  at::Tensor decode(const at::Tensor& latents) const {
    at::Tensor x =
        video_vae::denormalise_latents(latents.permute({0, 2, 3, 4, 1})).permute({0, 4, 1, 2, 3});
    x = conv(conv(x, "conv2"), "decoder.conv1");
    x = residual(x, "decoder.middle.0");
    x = attention(x, "decoder.middle.1");
    x = residual(x, "decoder.middle.2");
    for (int stage = 0;
         has("decoder.upsamples." + std::to_string(stage) + ".upsamples.0.residual.2.weight");
         ++stage)
      x = up_stage(x, "decoder.upsamples." + std::to_string(stage) + ".upsamples.");
    x = conv(at::silu(norm(x, "decoder.head.0")), "decoder.head.2");
    // [1, 3 r q, T, H, W] -> [1, 3, T, H q, W r]
    const auto s = x.sizes().vec();
    return x.view({1, 3, 2, 2, s[2], s[3], s[4]})
        .permute({0, 1, 4, 5, 3, 6, 2})
        .reshape({1, 3, s[2], 2 * s[3], 2 * s[4]})
        .clamp(-1, 1);
  }

 private:
  bool has(const std::string& name) const { return weights_.find(name); }
  at::Tensor weight(const std::string& name) const { return weights_.view(name); }

  at::Tensor conv(const at::Tensor& x, const std::string& name) const {
    at::Tensor kernel = weight(name + ".weight");
    if (kernel.dim() == 4) kernel = kernel.unsqueeze(2);
    const int64_t past = kernel.size(2) - 1, side = kernel.size(4) / 2;
    const at::Tensor padded = at::constant_pad_nd(x, {side, side, side, side, past, 0});
    return at::conv3d(padded, kernel, weight(name + ".bias"));
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    const at::Tensor gamma = weight(name + ".gamma").view({1, -1, 1, 1, 1});
    const at::Tensor mean_square = x.square().mean(at::IntArrayRef{1}, true);
    return x / mean_square.sqrt() * gamma;
  }

  at::Tensor residual(const at::Tensor& x, const std::string& name) const {
    at::Tensor y = conv(at::silu(norm(x, name + ".residual.0")), name + ".residual.2");
    y = conv(at::silu(norm(y, name + ".residual.3")), name + ".residual.6");
    return y + (has(name + ".shortcut.weight") ? conv(x, name + ".shortcut") : x);
  }

  at::Tensor attention(const at::Tensor& x, const std::string& name) const {
    const auto s = x.sizes().vec();
    const at::Tensor qkv = conv(norm(x, name + ".norm"), name + ".to_qkv");
    std::vector<at::Tensor> frames;
    for (int64_t t = 0; t < s[2]; ++t) {
      const auto parts = qkv[0].select(1, t).flatten(1).chunk(3, 0);  // [C, HW] each
      const at::Tensor scores = at::matmul(parts[0].t(), parts[1]) / std::sqrt(double(s[1]));
      frames.push_back(at::matmul(parts[2], at::softmax(scores, -1).t()).view({s[1], s[3], s[4]}));
    }
    return x + conv(at::stack(frames, 1).unsqueeze(0), name + ".proj");
  }

  at::Tensor up_stage(const at::Tensor& x, const std::string& name) const {
    at::Tensor y = x;
    int part = 0;
    for (; has(name + std::to_string(part) + ".residual.2.weight"); ++part)
      y = residual(y, name + std::to_string(part));
    const std::string up = name + std::to_string(part);
    if (!has(up + ".resample.1.weight")) return y;
    int64_t factor = 1;
    if (has(up + ".time_conv.weight")) {
      factor = 2;
      // The first frame is neither doubled nor seen by the convolution.
      std::vector<at::Tensor> frames = {y.select(2, 0)};
      if (y.size(2) > 1) {
        const at::Tensor pairs = conv(y.narrow(2, 1, y.size(2) - 1), up + ".time_conv");
        const int64_t channels = y.size(1);
        for (int64_t t = 0; t < pairs.size(2); ++t)
          for (int64_t half = 0; half < 2; ++half)
            frames.push_back(pairs.select(2, t).narrow(1, half * channels, channels));
      }
      y = at::stack(frames, 2);
    }
    y = y.repeat_interleave(2, 3).repeat_interleave(2, 4);
    return conv(y, up + ".resample.1") + shortcut(x, y.size(1), factor);
  }

  at::Tensor shortcut(const at::Tensor& x, int64_t out, int64_t factor) const {
    const auto s = x.sizes().vec();
    const at::Tensor repeated = x.repeat_interleave(out * factor * 4 / s[1], 1);
    return repeated.view({1, out, factor, 2, 2, s[2], s[3], s[4]})
        .permute({0, 1, 5, 2, 6, 3, 7, 4})
        .reshape({1, out, s[2] * factor, s[3] * 2, s[4] * 2})
        .narrow(2, factor - 1, s[2] * factor - (factor - 1));
  }

  const TensorSource& weights_;
};

}  // namespace

at::Tensor decode_whole_clip(const TensorSource& weights, const at::Tensor& latents) {
  return Plain(weights).decode(latents);
}

}  // namespace ovi::testing
