// One branch (video or audio) of a fusion block; two branches that look at each
// other make the block (Ovi, arXiv 2510.01284, section 3).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/big_linear.h"
#include "nn/linear.h"
#include "nn/modulation.h"
#include "nn/norm.h"
#include "nn/rope.h"
#include "parallel/sequence.h"
#include "weights/weights.h"

namespace ovi {

/// A stream on its way through the blocks: L of its tokens, those of `tokens` that are here.
struct FusionStream {
  at::Tensor x;                         // [L, D]; blocks change it in place
  at::Tensor time;                      // [rows, 6, D], the projected time embedding
  nn::TimeRows rows;                    // which token uses which row
  const nn::RopeTable* rope = nullptr;  // of the L tokens
  const parallel::Sequence* tokens = nullptr;
};

/// What a cross-attention looks at: keys and values [L, heads, d].
struct AttentionKeys {
  at::Tensor k, v;
  const parallel::Sequence* tokens = nullptr;  // of which the L are here; null: of themselves
};

class FusionBranch {
 public:
  /// `weights` is one block of one stream, such as video_model.blocks.0.
  FusionBranch(const Weights& weights, int64_t dim, int64_t heads);

  /// x += gate1 * attention(norm1(x) (1 + scale1) + shift1)
  void self_attention_(FusionStream& stream) const;

  /// The other stream as this branch's cross-attention sees it; taken before the
  /// other stream goes through its own cross-attention.
  AttentionKeys keys_of(const FusionStream& other) const;

  /// Keys of the embedded prompt [512, D]: the same at every step.
  AttentionKeys keys_of_text(const at::Tensor& context) const;

  /// x += cross(norm3(x)); x += gate2 * ffn(norm2(x) (1 + scale2) + shift2)
  void cross_attention_and_ffn_(FusionStream& stream, const AttentionKeys& text,
                                const AttentionKeys& other) const;

 private:
  at::Tensor heads(const at::Tensor& x) const;

  template <typename KeyLinear>
  struct Attention {
    nn::BigLinear q, o;
    KeyLinear k, v;
    nn::RmsNorm norm_q, norm_k;

    Attention(const Weights& weights, int64_t dim);
  };

  int64_t heads_;
  at::Tensor modulation_;  // [1, 6, D]: shift1, scale1, gate1, shift2, scale2, gate2
  nn::LayerNorm norm1_, norm2_, norm3_;
  Attention<nn::BigLinear> self_;
  Attention<nn::Linear> cross_;  // its keys are the text's, made once a clip
  nn::BigLinear k_fusion_, v_fusion_;
  nn::LayerNorm pre_attn_norm_fusion_;
  nn::RmsNorm norm_k_fusion_;
  nn::BigLinear ffn_in_, ffn_out_;
};

}  // namespace ovi
