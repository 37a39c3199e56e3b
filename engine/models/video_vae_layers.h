// The layers that the video VAE's encoder and decoder share.
//
// Activations are [T, H, W, C], contiguous: frames are blocks that can be kept or
// handed on whole, channels lie together for the norms and the 1x1 convolutions
// (plain matrix products), and the libraries see NHWC / NDHWC convolutions.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/columns.h"
#include "weights/weights.h"

namespace ovi::video_vae {

/// What the layers are built for. A lone image is a clip whose earlier frames are
/// zeros, so only the last temporal tap of a causal kernel is ever needed.
enum class Span { kImage, kClip };

/// x / |x| * sqrt(C) * gamma over the channels (RMSNorm, arXiv 1910.07467).
class RmsNorm {
 public:
  /// Takes `gamma`, [C, 1, 1] or [C, 1, 1, 1].
  RmsNorm(const Weights& weights, int64_t channels);

  /// Writes the norm of x [..., C] into `out`, which has x's shape and may not
  /// overlap it.
  void operator()(const at::Tensor& x, at::Tensor out) const;
  /// The same followed by silu.
  void with_silu(const at::Tensor& x, at::Tensor out) const;

 private:
  at::Tensor gain_;  // sqrt(C) * gamma, [C]
};

/// A 1x1(x1) convolution: [..., in] -> [..., out].
class PointwiseConv {
 public:
  PointwiseConv() = default;
  /// Takes `weight` [out, in, 1, 1] or [out, in, 1, 1, 1] and `bias` [out].
  explicit PointwiseConv(const Weights& weights, int64_t out = kAny, int64_t in = kAny);

  at::Tensor operator()(const at::Tensor& x) const;
  /// Forgets all but the first `out` output channels.
  void keep_outputs(int64_t out);
  bool defined() const { return weight_.defined(); }

 private:
  at::Tensor weight_, bias_;
};

/// A 3x3 convolution of every frame for itself.
class FrameConv {
 public:
  /// Takes `weight` [C, C, 3, 3] and `bias` [C].
  FrameConv(const Weights& weights, int64_t channels, int64_t stride, int64_t padding);

  /// [T, H, W, C] -> [T, H', W', C]. A tensor that is handed over is let go of early.
  at::Tensor operator()(at::Tensor x) const;

 private:
  at::Tensor weight_, bias_;
  int64_t stride_, padding_;
};

/// The two frames before the next chunk, as one causal convolution saw them:
/// [2, H, W, C], undefined while there are none.
struct History {
  at::Tensor frames;
};

/// A 3D convolution that looks two frames back; before the clip lie zeros.
/// Spatial padding keeps the size.
class CausalConv {
 public:
  /// Takes `weight` [out, in, 3, k, k] and `bias` [out].
  explicit CausalConv(const Weights& weights, Span span = Span::kClip, int64_t out = kAny,
                      int64_t in = kAny);

  /// The convolution's input with the frames before it; write the chunk to `chunk`.
  struct Window {
    at::Tensor all;    // [T or 2 + T, H, W, in]
    at::Tensor chunk;  // its last T frames
  };
  /// A window for a chunk of the given extents. `history` is null for a lone image; until run()
  /// what it held is in the window alone.
  Window open(int64_t frames, int64_t height, int64_t width, History* history) const;

  /// The filled window -> [T, H, W, out]. Leaves the last two frames in `history`.
  at::Tensor run(const Window& window, History* history) const;

  int64_t in_channels() const { return last_tap_.size(1); }
  int64_t out_channels() const { return last_tap_.size(0); }

 private:
  at::Tensor weight_;    // [out, in, 3, k, k]; undefined for Span::kImage
  at::Tensor last_tap_;  // [out, in, k, k]
  at::Tensor bias_;
  int64_t padding_;  // rows and columns
};

struct ResidualHistory {
  History first, second;
};

/// x + conv(silu(norm(conv(silu(norm(x)))))), with a 1x1 convolution on the
/// shortcut where the channel count changes.
class ResidualBlock {
 public:
  ResidualBlock(const Weights& weights, int64_t in, Span span = Span::kClip);

  /// [T, H, W, in] -> [T, H, W, out], never in place. `history` is null for a lone image. W are
  /// the columns that are here.
  at::Tensor operator()(const at::Tensor& x, ResidualHistory* history,
                        const parallel::Columns& columns = {}) const;

  int64_t in_channels() const { return conv1_.in_channels(); }
  int64_t out_channels() const { return conv2_.out_channels(); }

 private:
  RmsNorm norm1_;
  CausalConv conv1_;
  RmsNorm norm2_;
  CausalConv conv2_;
  PointwiseConv shortcut_;  // undefined: identity
};

/// x + proj(attention(norm(x))): single-head self-attention within each frame.
class FrameAttention {
 public:
  FrameAttention(const Weights& weights, int64_t channels);

  /// [T, H, W, C] -> same
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  RmsNorm norm_;
  PointwiseConv to_qkv_, proj_;
};

/// conv(silu(norm(x))): what ends the encoder and the decoder.
class Head {
 public:
  Head(const Weights& weights, Span span, int64_t out, int64_t in);

  at::Tensor operator()(const at::Tensor& x, History* history,
                        const parallel::Columns& columns = {}) const;

 private:
  RmsNorm norm_;
  CausalConv conv_;
};

}  // namespace ovi::video_vae
