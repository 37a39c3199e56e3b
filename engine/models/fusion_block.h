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

/// What both branches' cross-attention takes of a stream, while neither has changed it.
struct SeenStream {
  nn::Activations by_itself;  // as_queries() of its own branch
  nn::Activations by_other;   // as_keys() of the other one
};

/// What a cross-attention looks at: keys and values [L, heads, d].
struct AttentionKeys {
  at::Tensor k, v;
  const parallel::Sequence* tokens = nullptr;  // of which the L are here; null: of themselves
};

class FusionBranch {
 public:
  /// `weights` is one block of one stream, such as video_model.blocks.0. `rows_at_once`: of how
  /// many tokens the feed-forward network is computed at a time, at most; 0: of all.
  FusionBranch(const Weights& weights, int64_t dim, int64_t heads, int64_t rows_at_once = 0);

  /// x += gate1 * attention(norm1(x) (1 + scale1) + shift1)
  void self_attention_(FusionStream& stream) const;
  /// The same, and how the stream is seen then, with one pass over x for all three on a GPU.
  /// `other`: the branch of the other stream.
  SeenStream self_attention_(FusionStream& stream, const FusionBranch& other) const;

  /// norm3(x), and pre_attn_norm_fusion(x) of the other stream.
  nn::Activations as_queries(const FusionStream& stream) const;
  nn::Activations as_keys(const FusionStream& other) const;

  /// Of the other stream, by as_keys().
  AttentionKeys keys_of(const FusionStream& other, const nn::Activations& rows) const;

  /// Keys of the embedded prompt [512, D]: the same at every step.
  AttentionKeys keys_of_text(const at::Tensor& context) const;

  /// x += cross(norm3(x)); x += gate2 * ffn(norm2(x) (1 + scale2) + shift2)
  /// `rows` are as_queries().
  void cross_attention_and_ffn_(FusionStream& stream, nn::Activations rows,
                                const AttentionKeys& text, const AttentionKeys& other) const;

 private:
  at::Tensor heads(const at::Tensor& x) const;
  at::Tensor attend(const FusionStream& stream, const at::Tensor& modulation) const;

  template <typename KeyLinear>
  struct Attention {
    nn::BigLinear q, o;
    KeyLinear k, v;
    nn::RmsNorm norm_q, norm_k;

    Attention(const Weights& weights, int64_t dim);
  };

  /// What the queries see of the text and of the other stream, added up.
  at::Tensor look(const FusionStream& stream, nn::Activations rows, const AttentionKeys& text,
                  const AttentionKeys& other) const;

  int64_t heads_, rows_at_once_;
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
