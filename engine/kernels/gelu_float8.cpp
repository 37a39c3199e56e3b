// SPDX-License-Identifier: Apache-2.0
#include "kernels/gelu_float8.h"

#include <ATen/ops/gelu.h>

#include <stdexcept>

#include "kernels/cuda_kernels.h"
#include "kernels/gelu_float8.cuh"

namespace ovi::kernels {
namespace {

template <typename Use>
auto with_body(const GeluFloat8Args& args, Use use) {
  return args.element == Element::kFloat ? use(GeluFloat8Row<float>{args})
                                         : use(GeluFloat8Row<Bfloat16>{args});
}

GeluFloat8Args arguments(const at::Tensor& x, const Float8Rows& out) {
  GeluFloat8Args args;
  args.rows = x.size(0);
  args.dim = x.size(1);
  args.element = element_of(x);
  args.aligned = rows_aligned({x, out.values});
  args.x = x.const_data_ptr();
  args.out = out.values.mutable_data_ptr();
  args.factors = out.factors.mutable_data_ptr<float>();
  return args;
}

}  // namespace

Float8Rows gelu_float8(const at::Tensor& x) {
  const CudaTable* cuda = cuda_table_for(x);
  if (!cuda || !x.is_contiguous()) return twin::gelu_float8(x);
  const Float8Rows out = empty_float8_rows(x);
  const GeluFloat8Args args = arguments(x, out);
  const bool fits = with_body(args, [&](const auto& body) {
    return row_fits<std::decay_t<decltype(body)>>(args.dim, args.aligned != 0);
  });
  if (!fits) return twin::gelu_float8(x);
  run_on_cuda(*cuda, cuda->gelu_float8, args, x, "gelu_float8");
  return out;
}

Float8Rows twin::gelu_float8(const at::Tensor& x) {
  return to_float8(at::gelu(x.to(at::kFloat), "tanh"));
}

Float8Rows host::gelu_float8(const at::Tensor& x) {
  const Float8Rows out = empty_float8_rows(x);
  const GeluFloat8Args args = arguments(x, out);
  const bool fits = with_body(args, [&](const auto& body) {
    return run_rows(body, 0, args.rows, args.dim, args.aligned != 0);
  });
  if (!fits) throw std::length_error("gelu_float8: rows are too long for the kernel");
  return out;
}

}  // namespace ovi::kernels
