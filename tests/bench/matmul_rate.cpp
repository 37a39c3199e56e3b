// SPDX-License-Identifier: Apache-2.0
#include "matmul_rate.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "runtime/device.h"
#include "runtime/stopwatch.h"

namespace ovi::bench {

double matmul_flops_per_second(const c10::Device& device, c10::ScalarType dtype) {
  constexpr int kRuns = 10;
  const c10::InferenceMode inference;
  const int64_t side = device.is_cpu() ? 1024 : 8192;
  // Normal values: with zeros a GPU would draw less power, and run faster, than it can.
  const at::Tensor a =
      at::empty({side, side}, at::TensorOptions().dtype(dtype).device(device)).normal_();
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    synchronize(device);
    const Stopwatch watch;
    const at::Tensor product = at::mm(a, a);
    synchronize(device);
    best = std::max(best, 2.0 * static_cast<double>(side * side * side) / watch.seconds());
  }
  return best;
}

}  // namespace ovi::bench
