// A small decoder of Wan 2.2's latents, for pictures while a clip is made: TAEHV's for Wan 2.2
// (github.com/madebyollin/taehv, taew2_2 and taew2_2_super).
//
// Convolutions of single frames; what a block knows of time is its own input one frame before.
// A lone latent is decoded as a clip's first, whose earlier frames are zeros, and of the four
// frames that it becomes only the last is a picture. So nothing is computed for the other three
// but what the last one's blocks look back at.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weights/weights.h"

namespace ovi {

namespace tiny_video {

/// A convolution of any kernel that keeps the size.
class Conv {
 public:
  Conv() = default;
  /// weight [out, in / groups, k, k], bias [out] or undefined.
  explicit Conv(const at::Tensor& weight, const at::Tensor& bias = {}, int64_t groups = 1);

  at::Tensor operator()(const at::Tensor& x) const;  // [1, in, h, w] -> [1, out, h, w]
  bool defined() const { return weight_.defined(); }

 private:
  at::Tensor weight_, bias_;
  int64_t groups_ = 1;
};

/// One frame [1, C, h, w] becomes another of its shape; `past`: the same block's input one frame
/// before, undefined for zeros.
class MemoryBlock {
 public:
  virtual ~MemoryBlock() = default;
  virtual at::Tensor run(const at::Tensor& x, const at::Tensor& past) const = 0;
};

/// Three blocks, then twice the size, and perhaps twice the frames.
struct Stage {
  std::vector<std::shared_ptr<const MemoryBlock>> blocks;
  Conv conv, grow;     // to the next stage's channels; to the channels of `frames` frames
  int64_t frames = 1;  // that `grow` makes of one
};

}  // namespace tiny_video

class TinyVideoDecoder {
 public:
  /// Takes `decoder.*` of either variant, which it tells by its names; an encoder beside it is
  /// not looked at. Computes in the placement's dtype.
  explicit TinyVideoDecoder(const Weights& weights);

  /// latents [1, 48, h, w], normalised as the transformer's -> [1, 3, 16h, 16w] in 0..1, on the
  /// weights' device, in their dtype. Values that are no numbers stay so. Waits for nothing.
  at::Tensor decode(const at::Tensor& latents) const;

 private:
  bool super_;
  tiny_video::Conv first_, last_;
  std::vector<tiny_video::Stage> stages_;
  at::ScalarType dtype_;
  c10::Device device_;
};

}  // namespace ovi
