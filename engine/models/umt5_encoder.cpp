// SPDX-License-Identifier: Apache-2.0
#include "models/umt5_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/log.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "nn/attention.h"
#include "runtime/error.h"

namespace ovi {
namespace {

constexpr int64_t kMaxDistance = 128;  // tokens

}  // namespace

at::Tensor relative_position_buckets(int64_t n, int64_t buckets, int64_t max_distance) {
  const int64_t side = buckets / 2, exact = side / 2;
  const at::Tensor position = at::arange(n, at::TensorOptions().dtype(at::kLong));
  const at::Tensor relative = position.unsqueeze(0) - position.unsqueeze(1);
  const at::Tensor distance = relative.abs();
  // float32 as published: a float64 logarithm would round some distances into the
  // neighbouring bucket.
  const at::Tensor logarithmic =
      at::log(distance.clamp_min(1).to(at::kFloat) / static_cast<double>(exact)) /
      std::log(static_cast<double>(max_distance) / static_cast<double>(exact)) *
      static_cast<double>(side - exact);
  const at::Tensor far = at::clamp(logarithmic.to(at::kLong) + exact, std::nullopt, side - 1);
  return at::where(distance < exact, distance, far) + (relative > 0).to(at::kLong) * side;
}

Umt5Encoder::Umt5Encoder(const Weights& weights)
    : block_hooks_(weights.block_hooks()),
      token_embedding_(weights.get_stored("token_embedding.weight", {kAny, kAny})),
      device_(weights.placement().device),
      dtype_(weights.placement().dtype) {
  // A table with scales stays as it is stored: in float32 it would be 4 GiB.
  if (const auto stored = weights.quantized("token_embedding.weight")) {
    token_scales_ = stored->scales;
  }
  const int64_t dim = token_embedding_.size(1);
  norm_ = nn::RmsNorm(weights.at("norm"), dim);
  const Weights blocks = weights.at("blocks");
  const int64_t depth = blocks.count();
  for (int64_t i = 0; i < depth; ++i) {
    const Weights block = blocks.at(i), attention = block.at("attn"), ffn = block.at("ffn");
    Layer layer;
    layer.norm1 = nn::RmsNorm(block.at("norm1"), dim);
    layer.norm2 = nn::RmsNorm(block.at("norm2"), dim);
    layer.q = nn::Linear(attention.at("q"), kAny, dim);
    const int64_t inner = layer.q.out_features();
    layer.k = nn::Linear(attention.at("k"), inner, dim);
    layer.v = nn::Linear(attention.at("v"), inner, dim);
    layer.o = nn::Linear(attention.at("o"), dim, inner);
    layer.gate = nn::Linear(ffn.at("gate.0"), kAny, dim);
    const int64_t hidden = layer.gate.out_features();
    layer.fc1 = nn::Linear(ffn.at("fc1"), hidden, dim);
    layer.fc2 = nn::Linear(ffn.at("fc2"), dim, hidden);
    layer.position_bias = block.get("pos_embedding.embedding.weight", {kAny, kAny});
    if (inner % layer.position_bias.size(1) != 0) {
      throw Error(ErrorKind::kFormat,
                  weights.path() + ": " + std::to_string(layer.position_bias.size(1)) +
                      " heads do not divide a width of " + std::to_string(inner) +
                      ". This is no UMT5 encoder; download models_t5_umt5-xxl-enc-bf16.pth again.",
                  block.full_name("pos_embedding.embedding.weight"));
    }
    layers_.push_back(std::move(layer));
  }
}

at::Tensor Umt5Encoder::embed_tokens(const std::vector<int64_t>& ids) const {
  const at::Tensor tokens = at::tensor(ids, at::TensorOptions().dtype(at::kLong));
  if (ids.empty() || tokens.max().item<int64_t>() >= token_embedding_.size(0)) {
    throw Error(ErrorKind::kFormat,
                "The tokeniser gives ids beyond the text encoder's " +
                    std::to_string(token_embedding_.size(0)) +
                    " tokens: spiece.model and the encoder's weights do not belong together.");
  }
  at::Tensor rows = at::embedding(token_embedding_, tokens);
  if (token_scales_.defined()) {
    const bool one = token_scales_.numel() == 1;
    const at::Tensor scales =
        one ? token_scales_ : at::embedding(token_scales_.unsqueeze(1), tokens);
    rows = rows.to(at::kFloat) * scales;
  }
  return rows.to(device_, dtype_);
}

std::vector<at::Tensor> Umt5Encoder::encode_all(const std::vector<std::vector<int64_t>>& texts,
                                                const Cancel* cancel) const {
  std::vector<at::Tensor> states, buckets;  // the buckets serve all layers of a checkpoint
  for (const std::vector<int64_t>& ids : texts) states.push_back(embed_tokens(ids));
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (cancel) cancel->check();
    const BlockScope here(block_hooks_, static_cast<int64_t>(i));
    const Layer& layer = layers_[i];
    const int64_t heads = layer.position_bias.size(1);
    const auto split = [&](const at::Tensor& y) { return y.unflatten(-1, {heads, -1}); };
    for (size_t t = 0; t < states.size(); ++t) {
      at::Tensor& x = states[t];
      if (i == 0) {
        buckets.push_back(
            relative_position_buckets(x.size(0), layer.position_bias.size(0), kMaxDistance)
                .to(device_));
      }
      const at::Tensor bias = at::embedding(layer.position_bias, buckets[t]).permute({2, 0, 1});
      const at::Tensor y = layer.norm1(x);
      x = x + layer.o(nn::attention(split(layer.q(y)), split(layer.k(y)), split(layer.v(y)),
                                    bias.contiguous(), 1.0));
      const at::Tensor z = layer.norm2(x);
      x = x + layer.fc2(layer.fc1(z).mul_(at::gelu(layer.gate(z), "tanh")));
    }
  }
  for (at::Tensor& x : states) x = norm_(x);
  return states;
}

}  // namespace ovi
