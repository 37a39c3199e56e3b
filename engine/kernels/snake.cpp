// SPDX-License-Identifier: Apache-2.0
#include "kernels/snake.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/replication_pad1d.h>

#include "kernels/cuda_kernels.h"
#include "kernels/snake.cuh"
#include "runtime/host_clones.h"

namespace ovi::kernels {
namespace {

constexpr int kHostTile = 512;

SnakeArgs arguments(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& inverse_beta,
                    const std::array<double, kSnakeTaps>& taps, at::Tensor out) {
  SnakeArgs args;
  args.channels = x.size(1);
  args.length = x.size(2);
  args.element = element_of(x);
  args.x = x.const_data_ptr();
  args.alpha = alpha.const_data_ptr<float>();
  args.inverse_beta = inverse_beta.const_data_ptr<float>();
  args.out = out.mutable_data_ptr();
  for (int i = 0; i < kSnakeTaps; ++i) args.taps[i] = static_cast<float>(taps[i]);
  return args;
}

OVI_HOST_CLONES void run_float(const Snake<float, kHostTile>& body, int64_t channel, int64_t t0) {
  SnakeScratch<kHostTile> scratch;
  Team<1> team;
  body.tile(channel, t0, team, scratch);
}

OVI_HOST_CLONES void run_bfloat16(const Snake<Bfloat16, kHostTile>& body, int64_t channel,
                                  int64_t t0) {
  SnakeScratch<kHostTile> scratch;
  Team<1> team;
  body.tile(channel, t0, team, scratch);
}

template <typename Body, typename Run>
void run_tiles(const Body& body, Run run) {
  const int64_t per_channel = body.tiles_per_channel();
  constexpr int64_t kTilesATask = 32;
  at::parallel_for(0, body.tiles(), kTilesATask, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(body, i / per_channel, i % per_channel * kHostTile);
  });
}

}  // namespace

at::Tensor anti_aliased_snake(const at::Tensor& x, const at::Tensor& alpha,
                              const at::Tensor& inverse_beta,
                              const std::array<double, kSnakeTaps>& taps) {
  const bool known = has_kernel_type(x) && x.is_contiguous() && alpha.is_contiguous() &&
                     inverse_beta.is_contiguous();
  if (known && x.is_cpu()) return host::anti_aliased_snake(x, alpha, inverse_beta, taps);
  const CudaTable* cuda = cuda_table_for(x, Kernel::kSnake);
  if (!cuda || !known) return twin::anti_aliased_snake(x, alpha, inverse_beta, taps);
  at::Tensor out = at::empty_like(x);
  run_on_cuda(*cuda, cuda->snake, arguments(x, alpha, inverse_beta, taps, out), x, Kernel::kSnake);
  return out;
}

at::Tensor host::anti_aliased_snake(const at::Tensor& x, const at::Tensor& alpha,
                                    const at::Tensor& inverse_beta,
                                    const std::array<double, kSnakeTaps>& taps) {
  at::Tensor out = at::empty_like(x);
  const SnakeArgs args = arguments(x, alpha, inverse_beta, taps, out);
  if (args.element == Element::kFloat)
    run_tiles(Snake<float, kHostTile>{args}, run_float);
  else
    run_tiles(Snake<Bfloat16, kHostTile>{args}, run_bfloat16);
  return out;
}

// The doubled signal is kept as its even and its odd samples, [2, C, T]: no sample
// is computed only to be multiplied by an inserted zero, none only to be dropped.
at::Tensor twin::anti_aliased_snake(const at::Tensor& x, const at::Tensor& alpha,
                                    const at::Tensor& inverse_beta,
                                    const std::array<double, kSnakeTaps>& taps) {
  constexpr int64_t half = kSnakeTaps / 2, reach = half / 2;
  const int64_t channels = x.size(1), length = x.size(2);

  // doubled[2t + p] = 2 sum_i taps[11 - p - 2i] x[t - 3 + p + i]
  const at::Tensor padded = at::replication_pad1d(x.to(at::kFloat), {reach, reach}).squeeze(0);
  at::Tensor doubled = at::empty({2, channels, length}, padded.options());
  for (int64_t phase = 0; phase < 2; ++phase) {
    at::Tensor out = doubled.select(0, phase);
    for (int64_t i = 0; i < half; ++i) {
      const at::Tensor shifted = padded.narrow(1, phase + i, length);
      const double tap = 2 * taps[kSnakeTaps - 1 - phase - 2 * i];
      if (i == 0)
        out.copy_(shifted).mul_(tap);
      else
        out.add_(shifted, tap);
    }
  }

  at::Tensor wave = doubled * alpha;
  wave.sin_().square_();
  at::Tensor held = at::empty({2, channels, length + 2 * reach}, padded.options());
  at::Tensor middle = held.narrow(2, reach, length);
  at::addcmul_out(middle, doubled, wave, inverse_beta);
  // Before and after lie copies of the doubled signal's first and last sample.
  held.narrow(2, 0, reach).copy_(middle.select(0, 0).narrow(1, 0, 1));
  held.narrow(2, reach + length, reach).copy_(middle.select(0, 1).narrow(1, length - 1, 1));

  // out[t] = sum_k taps[k] doubled[2t - 5 + k]
  at::Tensor out = held.select(0, 1).narrow(1, 0, length) * taps[0];
  for (int64_t k = 1; k < kSnakeTaps; ++k)
    out.add_(held.select(0, 1 - k % 2).narrow(1, (k + 1) / 2, length), taps[k]);
  return out.unsqueeze(0).to(x.scalar_type());
}

}  // namespace ovi::kernels
