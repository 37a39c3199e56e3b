// The UMT5 text encoder (Chung et al. 2023, arXiv 2304.09151): T5 v1.1 with a
// relative position bias of its own in every layer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/linear.h"
#include "nn/norm.h"
#include "runtime/block_hooks.h"
#include "runtime/cancel.h"
#include "weights/weights.h"

namespace ovi {

class Umt5Encoder {
 public:
  /// `weights`: the root of models_t5_umt5-xxl-enc-bf16.pth.
  explicit Umt5Encoder(const Weights& weights);

  int64_t dim() const { return token_embedding_.size(1); }

  /// Embeds token ids (without padding, `</s>` included) of several texts, each [n, dim].
  /// Padding would be masked in every layer, so leaving it out gives the same numbers for
  /// less. Polls `cancel` before each layer.
  std::vector<at::Tensor> encode_all(const std::vector<std::vector<int64_t>>& texts,
                                     const Cancel* cancel) const;
  at::Tensor encode(const std::vector<int64_t>& ids, const Cancel* cancel) const {
    return encode_all({ids}, cancel).front();
  }

 private:
  struct Layer {
    nn::RmsNorm norm1, norm2;
    nn::Linear q, k, v, o;
    nn::Linear gate, fc1, fc2;
    at::Tensor position_bias;  // [buckets, heads]
  };

  at::Tensor embed_tokens(const std::vector<int64_t>& ids) const;

  std::shared_ptr<BlockHooks> block_hooks_;
  at::Tensor token_scales_;  // of a table that is stored in 8 bits, one or a row; else undefined
  at::Tensor token_embedding_;  // [vocabulary, dim], stays mapped on the host
  std::vector<Layer> layers_;
  nn::RmsNorm norm_;
  c10::Device device_;
  at::ScalarType dtype_;
};

/// Buckets of relative positions (Raffel et al. 2020, section 2.1; bidirectional):
/// [n, n] int64, key position minus query position, half of the buckets a side;
/// logarithmic beyond buckets / 4 and up to `max_distance`.
at::Tensor relative_position_buckets(int64_t n, int64_t buckets, int64_t max_distance);

}  // namespace ovi
