// SPDX-License-Identifier: Apache-2.0
#include "kernels/rms_norm_rope.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/view_as_real.h>

#include <algorithm>
#include <optional>

#include "kernels/cuda_kernels.h"
#include "kernels/rms_norm_rope.cuh"
#include "runtime/host_clones.h"

namespace ovi::kernels {
namespace {

template <typename Use>
auto with_body(const RmsNormRopeArgs& args, Use use) {
  return args.element == Element::kFloat ? use(RmsNormRopeRow<float>{args})
                                         : use(RmsNormRopeRow<Bfloat16>{args});
}

// Calls run(arguments); nothing where the kernel does not know such tensors, or run
// says so.
template <typename Run>
std::optional<TurnedAndPlain> fused(const at::Tensor& x, const at::Tensor& weight, double eps,
                                    int64_t heads, const at::Tensor& rotations, bool plain,
                                    Run run) {
  const int64_t dim = x.size(1), head_dim = dim / heads;
  const bool known = has_kernel_type(x) && x.is_contiguous() && weight.is_contiguous() &&
                     weight.scalar_type() == x.scalar_type() && head_dim % 2 == 0 &&
                     (!rotations.defined() || rotations.is_contiguous());
  if (!known) return {};
  TurnedAndPlain out;
  RmsNormRopeArgs args;
  args.rows = x.size(0);
  args.dim = dim;
  args.head_dim = head_dim;
  args.eps = static_cast<float>(eps);
  args.element = element_of(x);
  args.x = x.const_data_ptr();
  args.weight = weight.const_data_ptr();
  if (rotations.defined()) {
    out.turned = at::empty_like(x);
    args.turned = out.turned.mutable_data_ptr();
    args.rotations = static_cast<const float*>(rotations.const_data_ptr());
  }
  if (plain) {
    out.plain = at::empty_like(x);
    args.plain = out.plain.mutable_data_ptr();
  }
  args.aligned = rows_aligned({x, weight, out.turned, out.plain, rotations}) &&
                 head_dim * x.element_size() % 16 == 0;
  if (!run(args)) return {};
  for (at::Tensor* t : {&out.turned, &out.plain})
    if (t->defined()) *t = t->unflatten(-1, {heads, head_dim});
  return out;
}

OVI_HOST_CLONES void run_float(const RmsNormRopeRow<float>& body, int64_t begin, int64_t end) {
  run_rows_fast(body, begin, end);
}

OVI_HOST_CLONES void run_bfloat16(const RmsNormRopeRow<Bfloat16>& body, int64_t begin,
                                  int64_t end) {
  run_rows_fast(body, begin, end);
}

bool on_cpu(const RmsNormRopeArgs& args) {
  if (!HostRowShape::fits(args.dim) || args.head_dim % HostRowShape::kWidth != 0) return false;
  constexpr int64_t kElementsATask = 1 << 15;
  const int64_t rows_a_task = std::max<int64_t>(1, kElementsATask / args.dim);
  at::parallel_for(0, args.rows, rows_a_task, [&](int64_t begin, int64_t end) {
    if (args.element == Element::kFloat)
      run_float({args}, begin, end);
    else
      run_bfloat16({args}, begin, end);
  });
  return true;
}

std::optional<TurnedAndPlain> try_fused(const at::Tensor& x, const at::Tensor& weight, double eps,
                                        int64_t heads, const at::Tensor& rotations, bool plain) {
  if (x.is_cpu()) return fused(x, weight, eps, heads, rotations, plain, on_cpu);
  const CudaTable* cuda = cuda_table_for(x, Kernel::kRmsNormRope);
  if (!cuda) return {};
  return fused(x, weight, eps, heads, rotations, plain, [&](const RmsNormRopeArgs& args) {
    const bool fits = with_body(args, [&](const auto& body) {
      return row_fits<std::decay_t<decltype(body)>>(args.dim, args.aligned != 0);
    });
    if (fits) run_on_cuda(*cuda, cuda->rms_norm_rope, args, x, Kernel::kRmsNormRope);
    return fits;
  });
}

}  // namespace

at::Tensor rms_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads,
                         const at::Tensor& rotations) {
  if (const auto out = try_fused(x, weight, eps, heads, rotations, false)) return out->turned;
  return twin::rms_norm_rope(x, weight, eps, heads, rotations);
}

at::Tensor rms_norm_heads(const at::Tensor& x, const at::Tensor& weight, double eps,
                          int64_t heads) {
  if (const auto out = try_fused(x, weight, eps, heads, {}, true)) return out->plain;
  return twin::rms_norm_heads(x, weight, eps, heads);
}

TurnedAndPlain rms_norm_with_and_without_rope(const at::Tensor& x, const at::Tensor& weight,
                                              double eps, int64_t heads,
                                              const at::Tensor& rotations) {
  if (const auto out = try_fused(x, weight, eps, heads, rotations, true)) return *out;
  return twin::rms_norm_with_and_without_rope(x, weight, eps, heads, rotations);
}

namespace twin {
namespace {

// float32 whatever x is.
at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads) {
  return at::rms_norm(x.to(at::kFloat), {x.size(1)}, weight.to(at::kFloat), eps)
      .unflatten(-1, {heads, -1});
}

at::Tensor turn(const at::Tensor& x, const at::Tensor& rotations) {
  return at::view_as_real(at::view_as_complex(x.unflatten(-1, {-1, 2})) * rotations).flatten(-2);
}

}  // namespace

at::Tensor rms_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t heads,
                         const at::Tensor& rotations) {
  return turn(norm(x, weight, eps, heads), rotations).to(x.scalar_type());
}

at::Tensor rms_norm_heads(const at::Tensor& x, const at::Tensor& weight, double eps,
                          int64_t heads) {
  return norm(x, weight, eps, heads).to(x.scalar_type());
}

TurnedAndPlain rms_norm_with_and_without_rope(const at::Tensor& x, const at::Tensor& weight,
                                              double eps, int64_t heads,
                                              const at::Tensor& rotations) {
  const at::Tensor plain = norm(x, weight, eps, heads);
  return {turn(plain, rotations).to(x.scalar_type()), plain.to(x.scalar_type())};
}

}  // namespace twin

TurnedAndPlain host::rms_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps,
                                   int64_t heads, const at::Tensor& rotations, bool plain) {
  return fused(x, weight, eps, heads, rotations, plain,
               [](const RmsNormRopeArgs& args) {
                 return with_body(args, [&](const auto& body) {
                   return run_rows(body, 0, args.rows, args.dim, args.aligned != 0);
                 });
               })
      .value();
}

}  // namespace ovi::kernels
