// SPDX-License-Identifier: Apache-2.0
#include "nn/prepare.h"

#include <c10/core/InferenceMode.h>

#include "kernels/kernel_check.h"
#include "nn/attention_choice.h"
#include "nn/float8_product.h"
#include "nn/gelu_epilogue.h"

namespace ovi::nn {

void prepare(const c10::Device& device, const Arithmetic& arithmetic) {
  const c10::InferenceMode inference;
  if (arithmetic.dtype == at::kBFloat16) {
    attention_kernel_of(device);
    has_gelu_epilogue(device);
  }
  if (arithmetic.float8_matrices) float8_product_of(device);
  kernels::try_fused_kernels(device);
}

}  // namespace ovi::nn
