// SPDX-License-Identifier: Apache-2.0
#include "kernels/float8_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/cuda_kernels.h"
#include "kernels/float8_rows.cuh"

namespace ovi::kernels {
namespace {

Float8RowsArgs arguments(const at::Tensor& x, bool gelu, const Float8Rows& out) {
  Float8RowsArgs args;
  args.rows = x.size(0);
  args.dim = x.size(1);
  args.element = element_of(x);
  args.aligned = rows_aligned({x, out.values});
  args.gelu = gelu;
  args.x = x.const_data_ptr();
  args.out = out.values.mutable_data_ptr();
  args.factors = out.factors.mutable_data_ptr<float>();
  return args;
}

Float8Rows quantise(const at::Tensor& x, bool gelu) {
  if (x.is_meta()) return empty_float8_rows(x);
  const auto twin = [&] { return gelu ? twin::gelu_to_float8(x) : twin::to_float8(x); };
  const CudaTable* cuda = cuda_table_for(x, Kernel::kFloat8Rows);
  if (!cuda || !x.is_contiguous()) return twin();
  const Float8Rows out = empty_float8_rows(x);
  const Float8RowsArgs args = arguments(x, gelu, out);
  const bool fits = with_float8_row(args, [&](const auto& body) {
    return row_fits<std::decay_t<decltype(body)>>(args.dim, args.aligned != 0);
  });
  if (!fits) return twin();
  run_on_cuda(*cuda, cuda->float8_rows, args, x, Kernel::kFloat8Rows);
  return out;
}

Float8Rows quantise_on_host(const at::Tensor& x, bool gelu) {
  const Float8Rows out = empty_float8_rows(x);
  const Float8RowsArgs args = arguments(x, gelu, out);
  const bool fits = with_float8_row(args, [&](const auto& body) {
    return run_rows(body, 0, args.rows, args.dim, args.aligned != 0);
  });
  if (!fits) throw std::length_error("float8_rows: rows are too long for the kernel");
  return out;
}

}  // namespace

Float8Rows empty_float8_rows(const at::Tensor& like) {
  return {at::empty_like(like, like.options().dtype(at::kFloat8_e4m3fn)),
          at::empty({like.size(0), 1}, like.options().dtype(at::kFloat))};
}

Float8Rows to_float8(const at::Tensor& x) { return quantise(x, false); }
Float8Rows gelu_to_float8(const at::Tensor& x) { return quantise(x, true); }

namespace twin {

namespace {

template <typename ToFloat>
Float8Rows quantise_rows(const at::Tensor& x, ToFloat to_float) {
  const Float8Rows out = empty_float8_rows(x);
  const int64_t most = std::max<int64_t>(kFloat8Slice / x.size(1), 1);
  for (int64_t first = 0; first < x.size(0); first += most) {
    const int64_t count = std::min(most, x.size(0) - first);
    const at::Tensor rows = to_float(x.narrow(0, first, count));
    const at::Tensor largest = at::amax(rows.abs(), {-1}, /*keepdim=*/true);
    at::Tensor factors = out.factors.narrow(0, first, count);
    factors.copy_(at::where(largest > 0, largest / kFloat8Max, 1.0f));
    out.values.narrow(0, first, count).copy_((rows / factors).clamp_(-kFloat8Max, kFloat8Max));
  }
  return out;
}

}  // namespace

Float8Rows to_float8(const at::Tensor& x) {
  return quantise_rows(x, [](const at::Tensor& rows) { return rows.to(at::kFloat); });
}

Float8Rows gelu_to_float8(const at::Tensor& x) {
  return quantise_rows(
      x, [](const at::Tensor& rows) { return at::gelu(rows.to(at::kFloat), "tanh"); });
}

}  // namespace twin

namespace host {
Float8Rows to_float8(const at::Tensor& x) { return quantise_on_host(x, false); }
Float8Rows gelu_to_float8(const at::Tensor& x) { return quantise_on_host(x, true); }
}  // namespace host

}  // namespace ovi::kernels
