// SPDX-License-Identifier: Apache-2.0
#include "kernels/linear_combination.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>

#include <string>
#include <utility>

#include "kernels/cuda_kernels.h"
#include "kernels/linear_combination.cuh"
#include "runtime/error.h"

namespace ovi::kernels {
namespace {

void check(const std::vector<Term>& terms) {
  const auto fail = [](const std::string& detail) {
    throw Error(ErrorKind::kFailed,
                "A linear combination takes one to six float32 tensors of one shape.",
                "linear_combination: " + detail);
  };
  if (terms.empty() || terms.size() > kMostTerms) fail(std::to_string(terms.size()) + " tensors");
  const at::Tensor& first = terms[0].tensor;
  for (const Term& term : terms) {
    const at::Tensor& t = term.tensor;
    if (t.sizes() != first.sizes() || t.scalar_type() != at::kFloat || !t.is_contiguous() ||
        t.device() != first.device())
      fail(c10::str("got ", t.toString(), " ", t.sizes(), " beside ", first.sizes()));
  }
}

LinearCombinationArgs arguments(const std::vector<Term>& terms, at::Tensor out) {
  LinearCombinationArgs args;
  args.count = out.numel();
  args.terms = static_cast<int32_t>(terms.size());
  args.out = out.mutable_data_ptr<float>();
  const auto on_16_bytes = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  args.aligned = on_16_bytes(args.out);
  for (size_t i = 0; i < terms.size(); ++i) {
    args.weights[i] = static_cast<float>(terms[i].weight);
    args.tensors[i] = terms[i].tensor.const_data_ptr<float>();
    args.aligned = args.aligned && on_16_bytes(args.tensors[i]);
  }
  return args;
}

}  // namespace

at::Tensor linear_combination(const std::vector<Term>& terms) {
  check(terms);
  const CudaTable* cuda = cuda_table_for(terms[0].tensor, Kernel::kLinearCombination);
  if (!cuda) return twin::linear_combination(terms);
  at::Tensor out = at::empty_like(terms[0].tensor);
  run_on_cuda(*cuda, cuda->linear_combination, arguments(terms, out), out,
              Kernel::kLinearCombination);
  return out;
}

at::Tensor twin::linear_combination(const std::vector<Term>& terms) {
  check(terms);
  at::Tensor sum = at::mul(terms[0].tensor, terms[0].weight);
  for (size_t i = 1; i < terms.size(); ++i) sum.add_(terms[i].tensor, terms[i].weight);
  return sum;
}

void host::linear_combination(const std::vector<Term>& terms, at::Tensor out) {
  check(terms);
  const LinearCombination body{arguments(terms, std::move(out))};
  run_items(body, 0, body.items());
}

}  // namespace ovi::kernels
