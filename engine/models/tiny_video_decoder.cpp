// Numbers in the comments are those of the file's names, decoder.N: every layer counts, also one
// without weights.
// SPDX-License-Identifier: Apache-2.0
#include "models/tiny_video_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <array>
#include <utility>

#include "models/video_vae_latents.h"
#include "nn/convolution.h"
#include "runtime/error.h"

namespace ovi {
namespace tiny_video {
namespace {

constexpr int64_t kBlocks = 3, kStages = 3;  // blocks of a stage
constexpr int64_t kColours = 3;
constexpr int64_t kOutputs = kColours * video_vae::kPatch * video_vae::kPatch;
// Frames that each stage makes of one.
constexpr std::array<int64_t, kStages> kFrames = {1, 2, 2};
// Channels of the stages' blocks, and of what the last stage gives.
constexpr std::array<int64_t, kStages + 1> kPlain = {256, 128, 64, 64};
constexpr std::array<int64_t, kStages + 1> kSuper = {512, 256, 128, 64};
constexpr int64_t kDepthwise = 7;  // pixels a side of its kernel

enum class Bias { kNone, kHas };

Conv conv_of(const Weights& weights, int64_t out, int64_t in, int64_t kernel, Bias bias) {
  return Conv(weights.get("weight", {out, in, kernel, kernel}),
              bias == Bias::kHas ? weights.get("bias", {out}) : at::Tensor());
}

/// The first half of what a convolution of a frame and the one before it takes is the frame's.
at::Tensor half(const at::Tensor& weight, int64_t dim, int64_t which) {
  const int64_t size = weight.size(dim) / 2;
  return weight.narrow(dim, which * size, size).contiguous();
}

/// relu(f(x, past) + x), f of three 3x3 convolutions.
class PlainBlock final : public MemoryBlock {
 public:
  /// `remembers`: there may be a frame before.
  PlainBlock(const Weights& weights, int64_t channels, bool remembers) {
    const Weights first = weights.at("conv.0");
    const at::Tensor weight = first.get("weight", {channels, 2 * channels, 3, 3});
    now_ = Conv(half(weight, 1, 0), first.get("bias", {channels}));
    if (remembers) past_ = Conv(half(weight, 1, 1));
    second_ = conv_of(weights.at("conv.2"), channels, channels, 3, Bias::kHas);
    third_ = conv_of(weights.at("conv.4"), channels, channels, 3, Bias::kHas);
  }

  at::Tensor run(const at::Tensor& x, const at::Tensor& past) const override {
    at::Tensor y = now_(x);
    if (past.defined()) y.add_(past_(past));
    y = second_(y.relu_());
    y = third_(y.relu_());
    return y.add_(x).relu_();
  }

 private:
  Conv now_, past_, second_, third_;
};

/// f(x, past) + x: a 7x7 convolution of each channel, a hidden layer of pixels.
class SuperBlock final : public MemoryBlock {
 public:
  SuperBlock(const Weights& weights, int64_t channels, bool remembers) {
    const int64_t both = 2 * channels, hidden = 4 * channels;
    const at::Tensor spread = weights.at("conv.0").get("weight", {both, 1, kDepthwise, kDepthwise});
    const at::Tensor in = weights.at("conv.1").get("weight", {hidden, both, 1, 1});
    now_ = Conv(half(spread, 0, 0), {}, channels);
    in_ = Conv(half(in, 1, 0), weights.at("conv.1").get("bias", {hidden}));
    if (remembers) {
      past_ = Conv(half(spread, 0, 1), {}, channels);
      past_in_ = Conv(half(in, 1, 1));
    }
    out_ = conv_of(weights.at("conv.3"), channels, hidden, 1, Bias::kNone);
  }

  at::Tensor run(const at::Tensor& x, const at::Tensor& past) const override {
    at::Tensor y = in_(now_(x));
    if (past.defined()) y.add_(past_in_(past_(past)));
    return out_(y.relu_()).add_(x);
  }

 private:
  Conv now_, past_, in_, past_in_, out_;
};

/// Of the frames that the last stage makes only the last is wanted.
Conv grow_of(const Weights& weights, int64_t channels, int64_t frames, bool last_alone) {
  const at::Tensor weight = weights.get("conv.weight", {frames * channels, channels, 1, 1});
  return Conv(last_alone ? weight.narrow(0, (frames - 1) * channels, channels).contiguous()
                         : weight);
}

/// Plain: from layer 3 on 3 blocks, enlarging, grow, conv. Super: from layer 1 on 3 blocks, conv,
/// relu, shuffle, grow.
Stage stage_of(const Weights& decoder, int64_t index, bool super) {
  const auto& widths = super ? kSuper : kPlain;
  const auto at = static_cast<size_t>(index);
  const int64_t channels = widths[at], next = widths[at + 1];
  const int64_t layer = super ? 1 + 7 * index : 3 + 6 * index;
  int64_t frames_before = 1;
  for (size_t i = 0; i < at; ++i) frames_before *= kFrames[i];
  const bool remembers = frames_before > 1, is_last = index == kStages - 1;

  Stage stage;
  for (int64_t i = 0; i < kBlocks; ++i) {
    const Weights block = decoder.at(layer + i);
    if (super) {
      stage.blocks.push_back(std::make_shared<SuperBlock>(block, channels, remembers));
    } else {
      stage.blocks.push_back(std::make_shared<PlainBlock>(block, channels, remembers));
    }
  }
  stage.frames = is_last ? 1 : kFrames[at];
  if (super) {
    stage.conv = conv_of(decoder.at(layer + kBlocks), 4 * next, channels, 3, Bias::kHas);
    stage.grow = grow_of(decoder.at(layer + kBlocks + 3), next, kFrames[at], is_last);
  } else {
    stage.grow = grow_of(decoder.at(layer + kBlocks + 1), channels, kFrames[at], is_last);
    stage.conv = conv_of(decoder.at(layer + kBlocks + 2), next, channels, 3, Bias::kNone);
  }
  return stage;
}

using Frames = std::vector<at::Tensor>;

/// `last_alone`: only the last frame is wanted.
Frames run_block(const MemoryBlock& block, const Frames& frames, bool last_alone) {
  Frames made;
  for (size_t i = last_alone ? frames.size() - 1 : 0; i < frames.size(); ++i) {
    made.push_back(block.run(frames[i], i > 0 ? frames[i - 1] : at::Tensor()));
  }
  return made;
}

/// Each pixel becomes 2x2, each frame `stage.frames`. A 1x1 convolution gives the same before the
/// nearest pixels are repeated as after it, of a quarter of the pixels.
Frames enlarge(const Stage& stage, const Frames& frames, bool super) {
  Frames made;
  for (const at::Tensor& frame : frames) {
    const at::Tensor grown =
        stage.grow(super ? at::pixel_shuffle(stage.conv(frame).relu_(), 2) : frame);
    for (const at::Tensor& one : grown.chunk(stage.frames, 1)) {
      made.push_back(
          super ? one
                : stage.conv(at::upsample_nearest2d(one, {2 * one.size(2), 2 * one.size(3)})));
    }
  }
  return made;
}

}  // namespace

Conv::Conv(const at::Tensor& weight, const at::Tensor& bias, int64_t groups)
    : weight_(weight), bias_(bias), groups_(groups) {}

at::Tensor Conv::operator()(const at::Tensor& x) const {
  const int64_t padding = weight_.size(2) / 2;
  return nn::convolve(x, weight_, bias_, {1, 1}, {padding, padding}, {1, 1}, groups_);
}

}  // namespace tiny_video

TinyVideoDecoder::TinyVideoDecoder(const Weights& weights)
    : super_(weights.has("decoder.1.conv.0.weight")),
      dtype_(weights.placement().dtype),
      device_(weights.placement().device) {
  using namespace tiny_video;
  const Weights decoder = weights.at("decoder");
  constexpr int64_t kLatent = video_vae::kLatentChannels;
  first_ = super_ ? conv_of(decoder.at(0), kSuper.front(), kLatent, 1, Bias::kNone)
                  : conv_of(decoder.at(1), kPlain.front(), kLatent, 3, Bias::kHas);
  for (int64_t i = 0; i < kStages; ++i) stages_.push_back(stage_of(decoder, i, super_));
  last_ = conv_of(decoder.at(22), kOutputs, kPlain.back(), 3, Bias::kHas);
}

at::Tensor TinyVideoDecoder::decode(const at::Tensor& latents) const {
  if (latents.dim() != 4 || latents.size(0) != 1 || latents.size(1) != video_vae::kLatentChannels) {
    throw Error(ErrorKind::kFailed, "The preview decoder takes latents of shape [1, 48, h, w].",
                "TinyVideoDecoder::decode: got " + c10::str(latents.sizes()));
  }
  at::Tensor x = latents.to(device_);
  // Noise of the first steps is drawn in.
  if (!super_) x = at::tanh(x / 3).mul_(3);
  x = first_(x.to(dtype_));
  tiny_video::Frames frames = {super_ ? x : x.relu_()};
  for (const tiny_video::Stage& stage : stages_) {
    for (const auto& block : stage.blocks) {
      const bool last_alone = &stage == &stages_.back() && &block == &stage.blocks.back();
      frames = tiny_video::run_block(*block, frames, last_alone);
    }
    frames = tiny_video::enlarge(stage, frames, super_);
  }
  x = last_(super_ ? frames.back() : frames.back().relu_());
  return at::pixel_shuffle(x.clamp_(0, 1), video_vae::kPatch);
}

}  // namespace ovi
