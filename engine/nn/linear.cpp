// SPDX-License-Identifier: Apache-2.0
#include "nn/linear.h"

#include <ATen/ops/linear.h>

namespace ovi::nn {

Linear::Linear(const Weights& weights, int64_t out, int64_t in)
    : weight_(weights.get("weight", {out, in})),
      bias_(weights.get_optional("bias", {weight_.size(0)})) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight_, bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt);
}

}  // namespace ovi::nn
