// SPDX-License-Identifier: Apache-2.0
#include "models/fusion_block.h"

#include <ATen/TensorOperators.h>

#include <utility>

#include "nn/attention.h"
#include "nn/sequence_attention.h"
#include "runtime/portions.h"

namespace ovi {
namespace {

enum Modulation : int64_t { kShift1, kScale1, kGate1, kShift2, kScale2, kGate2 };

at::Tensor row_of(const at::Tensor& modulation, Modulation which) {
  return modulation.select(1, which);
}

}  // namespace

template <typename KeyLinear>
FusionBranch::Attention<KeyLinear>::Attention(const Weights& weights, int64_t dim)
    : q(weights.at("q"), dim, dim),
      o(weights.at("o"), dim, dim),
      k(weights.at("k"), dim, dim),
      v(weights.at("v"), dim, dim),
      norm_q(weights.at("norm_q"), dim),
      norm_k(weights.at("norm_k"), dim) {}

FusionBranch::FusionBranch(const Weights& weights, int64_t dim, int64_t heads, int64_t rows_at_once)
    : heads_(heads),
      rows_at_once_(rows_at_once),
      modulation_(weights.get("modulation.modulation", {1, 6, dim})),
      norm1_(dim),
      norm2_(dim),
      norm3_(weights.at("norm3"), dim),
      self_(weights.at("self_attn"), dim),
      cross_(weights.at("cross_attn"), dim) {
  const Weights cross = weights.at("cross_attn");
  k_fusion_ = nn::BigLinear(cross.at("k_fusion"), dim, dim);
  v_fusion_ = nn::BigLinear(cross.at("v_fusion"), dim, dim);
  pre_attn_norm_fusion_ = nn::LayerNorm(cross.at("pre_attn_norm_fusion"), dim);
  norm_k_fusion_ = nn::RmsNorm(cross.at("norm_k_fusion"), dim);
  ffn_in_ = nn::BigLinear(weights.at("ffn.0"), kAny, dim);
  ffn_out_ = nn::BigLinear(weights.at("ffn.2"), dim, ffn_in_.out_features());
}

at::Tensor FusionBranch::heads(const at::Tensor& x) const { return x.unflatten(-1, {heads_, -1}); }

at::Tensor FusionBranch::attend(const FusionStream& stream, const at::Tensor& modulation) const {
  const auto look = [&] {
    nn::Activations y = norm1_.modulated(stream.x, row_of(modulation, kShift1),
                                         row_of(modulation, kScale1), stream.rows, self_.q.takes());
    const at::Tensor q = self_.norm_q.heads(self_.q(y), heads_, *stream.rope);
    const at::Tensor k = self_.norm_k.heads(self_.k(y), heads_, *stream.rope);
    const at::Tensor v = heads(self_.v(y));
    y = {};
    return nn::self_attention(q, k, v, *stream.tokens);
  };
  return self_.o(look());
}

void FusionBranch::self_attention_(FusionStream& stream) const {
  const at::Tensor modulation = modulation_ + stream.time;
  nn::add_gated_(stream.x, attend(stream, modulation), row_of(modulation, kGate1), stream.rows);
}

SeenStream FusionBranch::self_attention_(FusionStream& stream, const FusionBranch& other) const {
  const at::Tensor modulation = modulation_ + stream.time;
  auto [by_itself, by_other] = norm3_.add_gated_and_both_(
      stream.x, attend(stream, modulation), row_of(modulation, kGate1), stream.rows,
      cross_.q.takes(), other.pre_attn_norm_fusion_, other.k_fusion_.takes());
  return {std::move(by_itself), std::move(by_other)};
}

nn::Activations FusionBranch::as_queries(const FusionStream& stream) const {
  return norm3_(stream.x, cross_.q.takes());
}

nn::Activations FusionBranch::as_keys(const FusionStream& other) const {
  return pre_attn_norm_fusion_(other.x, k_fusion_.takes());
}

AttentionKeys FusionBranch::keys_of(const FusionStream& other, const nn::Activations& rows) const {
  return {norm_k_fusion_.heads(k_fusion_(rows), heads_, *other.rope), heads(v_fusion_(rows)),
          other.tokens};
}

AttentionKeys FusionBranch::keys_of_text(const at::Tensor& context) const {
  return {cross_.norm_k.heads(cross_.k(context), heads_), heads(cross_.v(context))};
}

at::Tensor FusionBranch::look(const FusionStream& stream, nn::Activations rows,
                              const AttentionKeys& text, const AttentionKeys& other) const {
  // The text has no positions: only the query that meets the other stream turns.
  const auto q =
      cross_.norm_q.heads_both(cross_.q(std::exchange(rows, {})), heads_, *stream.rope);
  at::Tensor seen = nn::attention(q.plain, text.k, text.v);
  return seen.add_(nn::attention_over(q.turned, other.k, other.v, *other.tokens));
}

void FusionBranch::cross_attention_and_ffn_(FusionStream& stream, nn::Activations rows,
                                            const AttentionKeys& text,
                                            const AttentionKeys& other) const {
  const at::Tensor seen = look(stream, std::move(rows), text, other);
  const at::Tensor modulation = modulation_ + stream.time;
  // From here on a token sees no other one.
  in_portions(stream.x.size(0), rows_at_once_, [&](int64_t first, int64_t count) {
    const at::Tensor x = stream.x.narrow(0, first, count);
    const nn::TimeRows times = stream.rows.from(first, count);
    const nn::Activations y = norm2_.add_and_modulate_(
        x, cross_.o(seen.narrow(0, first, count)), row_of(modulation, kShift2),
        row_of(modulation, kScale2), times, ffn_in_.takes());
    const at::Tensor out = ffn_out_(ffn_in_.gelu(y, ffn_out_));
    nn::add_gated_(x, out, row_of(modulation, kGate2), times);
  });
}

}  // namespace ovi
