// SPDX-License-Identifier: Apache-2.0
#include "models/video_vae_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/channel_norm.h"
#include "nn/convolution.h"

namespace ovi::video_vae {
namespace {

constexpr int64_t kHistoryFrames = 2;

// How `name` must look: the given leading extents, then ones up to its own rank.
std::vector<int64_t> with_trailing_ones(const Weights& weights, const std::string& name,
                                        std::vector<int64_t> leading) {
  leading.resize(std::max(weights.shape(name).size(), leading.size()), 1);
  return leading;
}

// conv(silu(norm(x))), the middle written where the convolution reads it. x is let go
// of before the convolution, which is when memory is short. Neighbours' columns are normed
// here once more, which is cheaper than a copy of the normed ones.
at::Tensor conv_silu_norm(const RmsNorm& norm, at::Tensor x, const CausalConv& conv,
                          History* history, const parallel::Columns& columns) {
  x = columns.with_neighbours(x);
  const CausalConv::Window window = conv.open(x.size(0), x.size(1), x.size(2), history);
  norm.with_silu(x, window.chunk);
  x.reset();
  return columns.without_neighbours(conv.run(window, history));
}

}  // namespace

RmsNorm::RmsNorm(const Weights& weights, int64_t channels) {
  const at::Tensor gamma =
      weights.get_float("gamma", with_trailing_ones(weights, "gamma", {channels})).flatten();
  gain_ = gamma * std::sqrt(static_cast<double>(channels));
}

void RmsNorm::operator()(const at::Tensor& x, at::Tensor out) const {
  kernels::channel_norm(x, gain_, std::move(out));
}

void RmsNorm::with_silu(const at::Tensor& x, at::Tensor out) const {
  kernels::channel_norm_silu(x, gain_, std::move(out));
}

PointwiseConv::PointwiseConv(const Weights& weights, int64_t out, int64_t in)
    : weight_(weights.get("weight", with_trailing_ones(weights, "weight", {out, in}))
                  .flatten(1)
                  .contiguous()),
      bias_(weights.get("bias", {weight_.size(0)})) {}

at::Tensor PointwiseConv::operator()(const at::Tensor& x) const {
  return at::linear(x, weight_, bias_);
}

void PointwiseConv::keep_outputs(int64_t out) {
  weight_ = weight_.narrow(0, 0, out).clone();
  bias_ = bias_.narrow(0, 0, out).clone();
}

FrameConv::FrameConv(const Weights& weights, int64_t channels, int64_t stride, int64_t padding)
    : weight_(weights.get("weight", {channels, channels, 3, 3})
                  .contiguous(at::MemoryFormat::ChannelsLast)),
      bias_(weights.get("bias", {weight_.size(0)})),
      stride_(stride),
      padding_(padding) {}

at::Tensor FrameConv::operator()(at::Tensor x) const {
  const at::Tensor y = nn::convolve(x.permute({0, 3, 1, 2}), weight_, bias_, {stride_, stride_},
                                    {padding_, padding_}, {1, 1});
  x.reset();
  return y.permute({0, 2, 3, 1}).contiguous();
}

CausalConv::CausalConv(const Weights& weights, Span span, int64_t out, int64_t in) {
  const std::vector<int64_t> shape = weights.shape("weight", 5);
  const int64_t side = shape[4];
  const at::Tensor weight = weights.get("weight", {out, in, kHistoryFrames + 1, side, side});
  if (span == Span::kClip) {
    weight_ = weight.contiguous(at::MemoryFormat::ChannelsLast3d);
    last_tap_ = weight_.select(2, kHistoryFrames);
  } else {
    last_tap_ = weight.select(2, kHistoryFrames).contiguous(at::MemoryFormat::ChannelsLast);
    // Of a one by one kernel, contiguous() may hand back a view of all taps.
    if (last_tap_.is_alias_of(weight)) last_tap_ = last_tap_.clone();
  }
  bias_ = weights.get("bias", {weight.size(0)});
  padding_ = side / 2;
}

CausalConv::Window CausalConv::open(int64_t frames, int64_t height, int64_t width,
                                    History* history) const {
  const bool has_past = history && history->frames.defined();
  // A single frame after zeros meets the last tap alone: no need to spell them out.
  const int64_t past = has_past || frames > 1 ? kHistoryFrames : 0;
  Window window;
  window.all = at::empty({past + frames, height, width, in_channels()}, bias_.options());
  window.chunk = window.all.narrow(0, past, frames);
  if (has_past) {
    window.all.narrow(0, 0, past).copy_(history->frames);
    history->frames.reset();
  } else if (past > 0) {
    window.all.narrow(0, 0, past).zero_();
  }
  return window;
}

at::Tensor CausalConv::run(const Window& window, History* history) const {
  const at::Tensor& all = window.all;
  at::Tensor y;
  if (all.size(0) == 1) {
    y = nn::convolve(all.permute({0, 3, 1, 2}), last_tap_, bias_, {1, 1}, {padding_, padding_},
                     {1, 1})
            .permute({0, 2, 3, 1});
  } else {
    y = nn::convolve(all.permute({3, 0, 1, 2}).unsqueeze(0), weight_, bias_, {1, 1, 1},
                     {0, padding_, padding_}, {1, 1, 1})
            .squeeze(0)
            .permute({1, 2, 3, 0});
  }
  y = y.contiguous();
  if (history) {
    history->frames =
        at::empty({kHistoryFrames, all.size(1), all.size(2), all.size(3)}, all.options());
    const int64_t seen = std::min(kHistoryFrames, all.size(0));
    history->frames.narrow(0, 0, kHistoryFrames - seen).zero_();
    history->frames.narrow(0, kHistoryFrames - seen, seen)
        .copy_(all.narrow(0, all.size(0) - seen, seen));
  }
  return y;
}

ResidualBlock::ResidualBlock(const Weights& weights, int64_t in, Span span)
    : norm1_(weights.at("residual.0"), in),
      conv1_(weights.at("residual.2"), span, kAny, in),
      norm2_(weights.at("residual.3"), conv1_.out_channels()),
      conv2_(weights.at("residual.6"), span, kAny, conv1_.out_channels()) {
  if (weights.has_any_below("shortcut")) {
    shortcut_ = PointwiseConv(weights.at("shortcut"), out_channels(), in_channels());
  } else if (in_channels() != out_channels()) {
    // Says which name is missing.
    weights.get("shortcut.weight", {out_channels(), in_channels(), 1, 1, 1});
  }
}

at::Tensor ResidualBlock::operator()(const at::Tensor& x, ResidualHistory* history,
                                     const parallel::Columns& columns) const {
  at::Tensor y = conv_silu_norm(norm1_, x, conv1_, history ? &history->first : nullptr, columns);
  y = conv_silu_norm(norm2_, std::move(y), conv2_, history ? &history->second : nullptr, columns);
  return y.add_(shortcut_.defined() ? shortcut_(x) : x);
}

FrameAttention::FrameAttention(const Weights& weights, int64_t channels)
    : norm_(weights.at("norm"), channels),
      to_qkv_(weights.at("to_qkv"), 3 * channels, channels),
      proj_(weights.at("proj"), channels, channels) {}

at::Tensor FrameAttention::operator()(const at::Tensor& x) const {
  const int64_t frames = x.size(0), channels = x.size(3);
  at::Tensor normed = at::empty_like(x);
  norm_(x, normed);
  // [T, 1 head, H * W, 3 C]
  const at::Tensor qkv = to_qkv_(normed).view({frames, 1, x.size(1) * x.size(2), 3 * channels});
  const std::vector<at::Tensor> parts = qkv.chunk(3, -1);
  const at::Tensor attended = at::scaled_dot_product_attention(parts[0], parts[1], parts[2]);
  return proj_(attended.reshape(x.sizes())).add_(x);
}

Head::Head(const Weights& weights, Span span, int64_t out, int64_t in)
    : norm_(weights.at("0"), in), conv_(weights.at("2"), span, out, in) {}

at::Tensor Head::operator()(const at::Tensor& x, History* history,
                            const parallel::Columns& columns) const {
  return conv_silu_norm(norm_, x, conv_, history, columns);
}

}  // namespace ovi::video_vae
