// What a solver's step is, once its coefficients are known: guidance, the predicted clean
// sample and the step itself are all linear in the latents and velocities at hand.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace ovi::kernels {

struct Term {
  double weight;
  at::Tensor tensor;
};

/// The sum of weight * tensor over one to six contiguous float32 tensors of one shape.
/// Throws Error(kFailed) for anything else.
at::Tensor linear_combination(const std::vector<Term>& terms);

/// With ATen's operations: what runs on the CPU and without libovii2v-cuda.
namespace twin {
at::Tensor linear_combination(const std::vector<Term>& terms);
}

/// The GPU kernel's body on the host, for tests; `out` may be one of the tensors.
namespace host {
void linear_combination(const std::vector<Term>& terms, at::Tensor out);
}

}  // namespace ovi::kernels
