// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>

#include <optional>

#include "kernels/cuda_kernels.h"
#include "kernels/gated_add.h"
#include "kernels/layer_norm.cuh"

namespace ovi::kernels {

RowScale modulated(const at::Tensor& shift, const at::Tensor& scale, TimeRows rows) {
  return {scale, shift, 1.0, rows};
}

RowScale affine(const at::Tensor& weight, const at::Tensor& bias) {
  const auto row = [](const at::Tensor& t) { return t.defined() ? t.unsqueeze(0) : t; };
  return {row(weight), row(bias), 0.0, {}};
}

namespace {

RowVectors row_vectors(const at::Tensor& vectors) {
  if (!vectors.defined()) return {};
  return {vectors.const_data_ptr(), (vectors.size(0) - 1) * vectors.stride(0)};
}

bool usable(const at::Tensor& vectors, const at::Tensor& x) {
  return !vectors.defined() || (vectors.stride(-1) == 1 && vectors.device() == x.device() &&
                                vectors.scalar_type() == x.scalar_type());
}

bool known(const at::Tensor& x) { return has_kernel_type(x) && x.is_contiguous(); }

bool known(const at::Tensor& x, const RowScale& scale) {
  return known(x) && usable(scale.scale, x) && usable(scale.shift, x);
}

LayerNormArgs arguments(const at::Tensor& x, TimeRows rows, double eps) {
  LayerNormArgs args;
  args.dim = x.size(-1);
  args.rows = x.numel() / args.dim;
  args.first_tokens = rows.first_tokens;
  args.eps = static_cast<float>(eps);
  args.element = element_of(x);
  args.aligned = rows_aligned({x});
  args.x = x.const_data_ptr();
  return args;
}

// Space for a result, and the arguments that fill it.
struct Plain {
  using Rows = at::Tensor;
  static Rows space(const at::Tensor& x) { return at::empty_like(x); }
  static const at::Tensor& values(const Rows& out) { return out; }
  static float* factors(const Rows&) { return nullptr; }
};
struct EightBit {
  using Rows = Float8Rows;
  static Rows space(const at::Tensor& x) { return empty_float8_rows(x); }
  static const at::Tensor& values(const Rows& out) { return out.values; }
  static float* factors(const Rows& out) { return out.factors.mutable_data_ptr<float>(); }
};

template <typename Out>
typename Out::Rows fill(const at::Tensor& x, const RowScale& scale, LayerNormArgs& args,
                        ScaledRows& to) {
  auto out = Out::space(x);
  const at::Tensor& values = Out::values(out);
  args.aligned = args.aligned && rows_aligned({values}) && vectors_aligned(scale.scale) &&
                 vectors_aligned(scale.shift);
  to = {row_vectors(scale.scale), row_vectors(scale.shift), static_cast<float>(scale.offset),
        values.mutable_data_ptr(), Out::factors(out)};
  return out;
}

void add(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate, LayerNormArgs& args) {
  args.aligned = args.aligned && rows_aligned({y}) && vectors_aligned(gate);
  args.sum = x.mutable_data_ptr();
  args.y = y.const_data_ptr();
  args.gate = row_vectors(gate);
}

bool can_add(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  return y.is_contiguous() && y.scalar_type() == x.scalar_type() && usable(gate, x);
}

// Each of the following calls run(arguments) and returns nothing where the kernel does
// not know such tensors, or run says so.

template <typename Out, typename Run>
std::optional<typename Out::Rows> fused_norm(const at::Tensor& x, const RowScale& scale, double eps,
                                             Run run) {
  if (!known(x, scale)) return {};
  LayerNormArgs args = arguments(x, scale.rows, eps);
  auto out = fill<Out>(x, scale, args, args.first);
  if (!run(args)) return {};
  return out;
}

template <typename Out, typename Run>
std::optional<typename Out::Rows> fused_add_norm(const at::Tensor& x, const at::Tensor& y,
                                                 const at::Tensor& gate, const RowScale& scale,
                                                 double eps, Run run) {
  if (!known(x, scale) || !can_add(x, y, gate)) return {};
  LayerNormArgs args = arguments(x, scale.rows, eps);
  add(x, y, gate, args);
  auto out = fill<Out>(x, scale, args, args.first);
  if (!run(args)) return {};
  return out;
}

template <typename Out, typename Run>
std::optional<Both<typename Out::Rows>> fused_add_norms(const at::Tensor& x, const at::Tensor& y,
                                                        const at::Tensor& gate, TimeRows rows,
                                                        const RowScale& first,
                                                        const RowScale& second, double eps,
                                                        Run run) {
  if (!known(x, first) || !known(x, second) || !can_add(x, y, gate)) return {};
  LayerNormArgs args = arguments(x, rows, eps);
  add(x, y, gate, args);
  auto one = fill<Out>(x, first, args, args.first);
  auto other = fill<Out>(x, second, args, args.second);
  if (!run(args)) return {};
  return {{std::move(one), std::move(other)}};
}

auto on_cuda(const CudaTable& cuda, const at::Tensor& x) {
  return [&](const LayerNormArgs& args) {
    const bool fits = with_layer_norm(args, [&](const auto& body) {
      return row_fits<std::decay_t<decltype(body)>>(args.dim, args.aligned != 0);
    });
    if (fits) run_on_cuda(cuda, cuda.layer_norm, args, x, Kernel::kLayerNorm);
    return fits;
  };
}

bool on_host(const LayerNormArgs& args) {
  return with_layer_norm(args, [&](const auto& body) {
    return run_rows(body, 0, args.rows, args.dim, args.aligned != 0);
  });
}

}  // namespace

at::Tensor layer_norm(const at::Tensor& x, const RowScale& scale, double eps) {
  if (const CudaTable* cuda = cuda_table_for(x, Kernel::kLayerNorm))
    if (const auto out = fused_norm<Plain>(x, scale, eps, on_cuda(*cuda, x))) return *out;
  return twin::layer_norm(x, scale, eps);
}

at::Tensor add_gated_layer_norm_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                 const RowScale& scale, double eps) {
  if (const CudaTable* cuda = cuda_table_for(x, Kernel::kLayerNorm))
    if (const auto out = fused_add_norm<Plain>(x, y, gate, scale, eps, on_cuda(*cuda, x)))
      return *out;
  return twin::add_gated_layer_norm_(std::move(x), y, gate, scale, eps);
}

Float8Rows layer_norm_float8(const at::Tensor& x, const RowScale& scale, double eps) {
  if (const CudaTable* cuda = cuda_table_for(x, Kernel::kLayerNorm))
    if (const auto rows = fused_norm<EightBit>(x, scale, eps, on_cuda(*cuda, x))) return *rows;
  return twin::layer_norm_float8(x, scale, eps);
}

Float8Rows add_gated_layer_norm_float8_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        const RowScale& scale, double eps) {
  if (const CudaTable* cuda = cuda_table_for(x, Kernel::kLayerNorm))
    if (const auto rows = fused_add_norm<EightBit>(x, y, gate, scale, eps, on_cuda(*cuda, x)))
      return *rows;
  return twin::add_gated_layer_norm_float8_(std::move(x), y, gate, scale, eps);
}

Both<at::Tensor> add_gated_layer_norms_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        TimeRows rows, const RowScale& first,
                                        const RowScale& second, double eps) {
  if (const CudaTable* cuda = cuda_table_for(x, Kernel::kLayerNorm))
    if (auto both =
            fused_add_norms<Plain>(x, y, gate, rows, first, second, eps, on_cuda(*cuda, x)))
      return *both;
  return twin::add_gated_layer_norms_(std::move(x), y, gate, rows, first, second, eps);
}

Both<Float8Rows> add_gated_layer_norms_float8_(at::Tensor x, const at::Tensor& y,
                                               const at::Tensor& gate, TimeRows rows,
                                               const RowScale& first, const RowScale& second,
                                               double eps) {
  if (const CudaTable* cuda = cuda_table_for(x, Kernel::kLayerNorm))
    if (auto both =
            fused_add_norms<EightBit>(x, y, gate, rows, first, second, eps, on_cuda(*cuda, x)))
      return *both;
  return twin::add_gated_layer_norms_float8_(std::move(x), y, gate, rows, first, second, eps);
}

namespace host {

at::Tensor layer_norm(const at::Tensor& x, const RowScale& scale, double eps) {
  return fused_norm<Plain>(x, scale, eps, on_host).value();
}

at::Tensor add_gated_layer_norm_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                 const RowScale& scale, double eps) {
  return fused_add_norm<Plain>(std::move(x), y, gate, scale, eps, on_host).value();
}

Float8Rows layer_norm_float8(const at::Tensor& x, const RowScale& scale, double eps) {
  return fused_norm<EightBit>(x, scale, eps, on_host).value();
}

Float8Rows add_gated_layer_norm_float8_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        const RowScale& scale, double eps) {
  return fused_add_norm<EightBit>(std::move(x), y, gate, scale, eps, on_host).value();
}

Both<at::Tensor> add_gated_layer_norms_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        TimeRows rows, const RowScale& first,
                                        const RowScale& second, double eps) {
  return fused_add_norms<Plain>(x, y, gate, rows, first, second, eps, on_host).value();
}

Both<Float8Rows> add_gated_layer_norms_float8_(at::Tensor x, const at::Tensor& y,
                                               const at::Tensor& gate, TimeRows rows,
                                               const RowScale& first, const RowScale& second,
                                               double eps) {
  return fused_add_norms<EightBit>(x, y, gate, rows, first, second, eps, on_host).value();
}

}  // namespace host

namespace twin {
namespace {

// With scale and shift as the norm's own weight and bias, rounded once.
at::Tensor norm(const at::Tensor& x, const RowScale& scale, double eps) {
  const auto with_row = [&](const at::Tensor& rows, bool last) {
    const auto pick = [&](const at::Tensor& vectors) {
      return vectors.defined()
                 ? std::optional<at::Tensor>(vectors[last ? vectors.size(0) - 1 : 0].to(at::kFloat))
                 : std::nullopt;
    };
    std::optional<at::Tensor> factor = pick(scale.scale);
    if (factor && scale.offset != 0) factor = *factor + scale.offset;
    return at::layer_norm(rows, {x.size(-1)}, factor, pick(scale.shift), eps);
  };
  // Only on the CPU does ATen mix x's bfloat16 with a float32 weight.
  const at::Tensor rows = x.is_cpu() ? x : x.to(at::kFloat);
  at::Tensor out = with_row(rows, true);
  const bool two = (scale.scale.defined() && scale.scale.size(0) > 1) ||
                   (scale.shift.defined() && scale.shift.size(0) > 1);
  const int64_t first = two ? scale.rows.first_tokens : 0;
  // A frame of many: computing it twice costs less than putting two parts together.
  if (first > 0) out.narrow(0, 0, first).copy_(with_row(rows.narrow(0, 0, first), false));
  return out;
}

}  // namespace

at::Tensor layer_norm(const at::Tensor& x, const RowScale& scale, double eps) {
  return norm(x, scale, eps).to(x.scalar_type());
}

at::Tensor add_gated_layer_norm_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                 const RowScale& scale, double eps) {
  twin::add_gated_(x, y, gate, scale.rows);
  return twin::layer_norm(x, scale, eps);
}

Float8Rows layer_norm_float8(const at::Tensor& x, const RowScale& scale, double eps) {
  return to_float8(norm(x.to(at::kFloat), scale, eps));
}

Float8Rows add_gated_layer_norm_float8_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        const RowScale& scale, double eps) {
  twin::add_gated_(x, y, gate, scale.rows);
  return twin::layer_norm_float8(x, scale, eps);
}

Both<at::Tensor> add_gated_layer_norms_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate,
                                        TimeRows rows, const RowScale& first,
                                        const RowScale& second, double eps) {
  twin::add_gated_(x, y, gate, rows);
  return {twin::layer_norm(x, first, eps), twin::layer_norm(x, second, eps)};
}

Both<Float8Rows> add_gated_layer_norms_float8_(at::Tensor x, const at::Tensor& y,
                                               const at::Tensor& gate, TimeRows rows,
                                               const RowScale& first, const RowScale& second,
                                               double eps) {
  twin::add_gated_(x, y, gate, rows);
  return {twin::layer_norm_float8(x, first, eps), twin::layer_norm_float8(x, second, eps)};
}

}  // namespace twin
}  // namespace ovi::kernels
