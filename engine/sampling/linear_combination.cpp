// SPDX-License-Identifier: Apache-2.0
#include "sampling/linear_combination.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mul.h>

#include "runtime/error.h"

namespace ovi {

at::Tensor linear_combination(const std::vector<Term>& terms) {
  if (terms.empty()) throw Error(ErrorKind::kFailed, "A linear combination has at least one term.");
  for (const Term& term : terms) {
    const at::Tensor &t = term.tensor, &first = terms[0].tensor;
    if (t.sizes() == first.sizes() && t.scalar_type() == at::kFloat) continue;
    throw Error(ErrorKind::kFailed, "A linear combination takes float32 tensors of one shape.",
                c10::str("linear_combination: got ", t.toString(), " ", t.sizes(), " beside ",
                         first.sizes()));
  }
  at::Tensor sum = at::mul(terms[0].tensor, terms[0].weight);
  for (size_t i = 1; i < terms.size(); ++i) sum.add_(terms[i].tensor, terms[i].weight);
  return sum;
}

}  // namespace ovi
