// SPDX-License-Identifier: Apache-2.0
#include "kernels/channel_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/div.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/channel_norm.cuh"
#include "kernels/cuda_kernels.h"
#include "runtime/host_clones.h"

namespace ovi::kernels {
namespace {

constexpr double kSmallest = 1e-12;

template <typename Use>
auto with_body(const ChannelNormArgs& args, Use use) {
  return args.element == Element::kFloat ? use(ChannelNormRow<float>{args})
                                         : use(ChannelNormRow<Bfloat16>{args});
}

ChannelNormArgs arguments(const at::Tensor& x, const at::Tensor& gain, at::Tensor out, bool silu) {
  ChannelNormArgs args;
  args.dim = x.size(-1);
  args.rows = x.numel() / args.dim;
  args.smallest = static_cast<float>(kSmallest);
  args.element = element_of(x);
  args.aligned = rows_aligned({x, gain, out});
  args.silu = silu;
  args.x = x.const_data_ptr();
  args.gain = gain.const_data_ptr<float>();
  args.out = out.mutable_data_ptr();
  return args;
}

bool suits(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& out) {
  return x.is_contiguous() && out.is_contiguous() && gain.is_contiguous() &&
         gain.scalar_type() == at::kFloat && out.scalar_type() == x.scalar_type();
}

bool on_cuda(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& out, bool silu) {
  const CudaTable* cuda = cuda_table_for(x, Kernel::kChannelNorm);
  if (!cuda || !suits(x, gain, out)) return false;
  const ChannelNormArgs args = arguments(x, gain, out, silu);
  const bool fits = with_body(args, [&](const auto& body) {
    return row_fits<std::decay_t<decltype(body)>>(args.dim, args.aligned != 0);
  });
  if (fits) run_on_cuda(*cuda, cuda->channel_norm, args, x, Kernel::kChannelNorm);
  return fits;
}

OVI_HOST_CLONES void run_bfloat16(const ChannelNormRow<Bfloat16>& body, int64_t begin,
                                  int64_t end) {
  run_rows_fast(body, begin, end);
}

// In float32 ATen's operations lose nothing and are faster.
bool on_cpu(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& out, bool silu) {
  if (!x.is_cpu() || x.scalar_type() != at::kBFloat16 || !suits(x, gain, out) ||
      !HostRowShape::fits(x.size(-1)))
    return false;
  const ChannelNormArgs args = arguments(x, gain, out, silu);
  constexpr int64_t kElementsATask = 1 << 15;
  at::parallel_for(0, args.rows, std::max<int64_t>(1, kElementsATask / args.dim),
                   [&](int64_t begin, int64_t end) { run_bfloat16({args}, begin, end); });
  return true;
}

void on_host(const ChannelNormArgs& args) {
  const bool fits = with_body(args, [&](const auto& body) {
    return run_rows(body, 0, args.rows, args.dim, args.aligned != 0);
  });
  if (!fits) throw std::length_error("channel_norm: rows are too long for the kernel");
}

}  // namespace

void channel_norm(const at::Tensor& x, const at::Tensor& gain, at::Tensor out) {
  if (!on_cpu(x, gain, out, false) && !on_cuda(x, gain, out, false))
    twin::channel_norm(x, gain, std::move(out));
}

void channel_norm_silu(const at::Tensor& x, const at::Tensor& gain, at::Tensor out) {
  if (!on_cpu(x, gain, out, true) && !on_cuda(x, gain, out, true))
    twin::channel_norm_silu(x, gain, std::move(out));
}

namespace twin {

void channel_norm(const at::Tensor& x, const at::Tensor& gain, at::Tensor out) {
  const at::Tensor length =
      at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, /*keepdim=*/true, at::kFloat)
          .clamp_min_(kSmallest);
  at::div_out(out, x, length);
  out.mul_(gain);
}

void channel_norm_silu(const at::Tensor& x, const at::Tensor& gain, at::Tensor out) {
  channel_norm(x, gain, out);
  at::silu_(out);
}

}  // namespace twin

void host::channel_norm(const at::Tensor& x, const at::Tensor& gain, at::Tensor out) {
  on_host(arguments(x, gain, std::move(out), false));
}

void host::channel_norm_silu(const at::Tensor& x, const at::Tensor& gain, at::Tensor out) {
  on_host(arguments(x, gain, std::move(out), true));
}

}  // namespace ovi::kernels
