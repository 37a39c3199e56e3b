// SPDX-License-Identifier: Apache-2.0
#include "nn/convolution.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/mkldnn_convolution.h>

namespace ovi::nn {

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                    int64_t groups) {
  // oneDNN convolves bfloat16 on CPUs with AVX-512 alone. Without it ATen takes a loop that is
  // many times slower than the same in float32, which rounds once instead of at every term.
  if (x.is_cpu() && x.scalar_type() == at::kBFloat16 && !at::cpu::is_avx512_vnni_supported()) {
    return convolve(x.to(at::kFloat), weight.to(at::kFloat),
                    bias.defined() ? bias.to(at::kFloat) : bias, stride, padding, dilation, groups)
        .to(at::kBFloat16);
  }
  const std::optional<at::Tensor> maybe_bias =
      bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt;
  // For a batch of one float image ATen judges by channels * rows whether oneDNN
  // is worth it, and takes a loop that is ten times slower for few channels.
  const bool ask_onednn = x.is_cpu() && x.scalar_type() == at::kFloat && at::hasMKLDNN() &&
                          at::globalContext().userEnabledMkldnn();
  if (ask_onednn)
    return at::mkldnn_convolution(x, weight, maybe_bias, padding, stride, dilation, groups);
  const std::vector<int64_t> no_output_padding(stride.size(), 0);
  return at::convolution(x, weight, maybe_bias, stride, padding, dilation, /*transposed=*/false,
                         no_output_padding, groups);
}

}  // namespace ovi::nn
