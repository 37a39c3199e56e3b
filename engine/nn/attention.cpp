// SPDX-License-Identifier: Apache-2.0
#include "nn/attention.h"

#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <cmath>

#include "nn/attention_choice.h"

namespace ovi::nn {
namespace {

constexpr int64_t kLargestHead = 128, kHeadMultiple = 8;  // that all fused kernels take

// The kernels take [1, heads, L, d] as a strided view: nothing is copied.
at::Tensor heads_first(const at::Tensor& x) { return x.unsqueeze(0).transpose(1, 2); }

at::Tensor heads_last(const at::Tensor& out) { return out.squeeze(0).transpose(0, 1).flatten(1); }

bool known_to_fused_kernels(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto fits = [&](const at::Tensor& x) {
    return x.scalar_type() == at::kBFloat16 && x.stride(-1) == 1 && x.size(0) > 1;
  };
  return fits(q) && fits(k) && fits(v) && q.size(2) <= kLargestHead &&
         q.size(2) % kHeadMultiple == 0;
}

// softmax(scale q k^T + bias) v. LibTorch's choice among a GPU's fused kernels depends on
// versions, and not all take every bias of odd sizes; with its few tokens this is as fast.
at::Tensor attention_by_definition(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& bias, std::optional<double> scale) {
  const auto heads_first = [](const at::Tensor& x) { return x.transpose(0, 1); };
  const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(q.size(2))));
  at::Tensor scores = at::baddbmm(bias, heads_first(q), heads_first(k).transpose(1, 2),
                                  /*beta=*/1, /*alpha=*/factor);
  scores = at::softmax(scores, -1, at::kFloat).to(v.scalar_type());
  return at::bmm(scores, heads_first(v)).transpose(0, 1).flatten(1);
}

// For few queries: all scores are there at once, in float32.
PartialAttention partial_by_definition(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v) {
  const auto heads_first = [](const at::Tensor& x) { return x.transpose(0, 1); };
  at::Tensor scores = at::bmm(heads_first(q), heads_first(k).transpose(1, 2)).to(at::kFloat);
  scores.mul_(1 / std::sqrt(static_cast<double>(q.size(2))));
  const at::Tensor log_sum = at::logsumexp(scores, at::IntArrayRef{-1});
  const at::Tensor weights = scores.sub_(log_sum.unsqueeze(-1)).exp_().to(v.scalar_type());
  return {at::bmm(weights, heads_first(v)).transpose(0, 1).flatten(1), log_sum};
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& bias, std::optional<double> scale) {
  if (q.is_cuda() && !bias && known_to_fused_kernels(q, k, v))
    return attention_by(attention_kernel_of(q.device()), q, k, v, scale);
  if (bias && !q.device().is_cpu()) return attention_by_definition(q, k, v, *bias, scale);
  std::optional<at::Tensor> mask;
  if (bias) mask = bias->unsqueeze(0);
  return heads_last(at::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(v),
                                                     mask, 0.0, false, scale));
}

at::Tensor attention_by(AttentionKernel kernel, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, std::optional<double> scale) {
  const at::Tensor hq = heads_first(q), hk = heads_first(k), hv = heads_first(v);
  switch (kernel) {
    case AttentionKernel::kCudnn:
      return heads_last(std::get<0>(at::_scaled_dot_product_cudnn_attention(
          hq, hk, hv, /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/false, /*dropout_p=*/0.0,
          /*is_causal=*/false, /*return_debug_mask=*/false, scale)));
    case AttentionKernel::kFlash:
      return heads_last(std::get<0>(at::_scaled_dot_product_flash_attention(
          hq, hk, hv, /*dropout_p=*/0.0, /*is_causal=*/false, /*return_debug_mask=*/false, scale)));
    case AttentionKernel::kGeneral:
      break;
  }
  return heads_last(at::scaled_dot_product_attention(hq, hk, hv, std::nullopt, 0.0, false, scale));
}

PartialAttention partial_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor hq = heads_first(q), hk = heads_first(k), hv = heads_first(v);
  const auto of = [&](const at::Tensor& out, const at::Tensor& log_sum) -> PartialAttention {
    return {heads_last(out), log_sum.reshape({q.size(1), q.size(0)})};
  };
  if (q.is_cpu()) {
    const auto made = at::_scaled_dot_product_flash_attention_for_cpu(hq, hk, hv);
    return of(std::get<0>(made), std::get<1>(made));
  }
  if (q.is_cuda() && known_to_fused_kernels(q, k, v)) {
    switch (attention_kernel_of(q.device())) {
      case AttentionKernel::kCudnn: {
        const auto made = at::_scaled_dot_product_cudnn_attention(
            hq, hk, hv, /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/true);
        return of(std::get<0>(made), std::get<1>(made));
      }
      case AttentionKernel::kFlash: {
        const auto made = at::_scaled_dot_product_flash_attention(hq, hk, hv);
        return of(std::get<0>(made), std::get<1>(made));
      }
      case AttentionKernel::kGeneral:
        break;
    }
  }
  return partial_by_definition(q, k, v);
}

}  // namespace ovi::nn
