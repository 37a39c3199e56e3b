// SPDX-License-Identifier: Apache-2.0
#include "nn/convolution.h"

#include <ATen/Context.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/mkldnn_convolution.h>

namespace ovi::nn {

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                    int64_t groups) {
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
