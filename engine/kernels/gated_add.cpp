// SPDX-License-Identifier: Apache-2.0
#include "kernels/gated_add.h"

#include <ATen/TensorOperators.h>

#include "kernels/cuda_kernels.h"
#include "kernels/gated_add.cuh"

namespace ovi::kernels {
namespace {

bool usable(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  const bool same = y.scalar_type() == x.scalar_type() && x.is_contiguous() && y.is_contiguous();
  return same && (!gate.defined() || (gate.scalar_type() == x.scalar_type() &&
                                      gate.device() == x.device() && gate.stride(-1) == 1));
}

GatedAddArgs arguments(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows) {
  GatedAddArgs args;
  args.rows = x.size(0);
  args.dim = x.size(1);
  args.first_tokens = rows.first_tokens;
  args.element = element_of(x);
  args.aligned = rows_aligned({x, y}) && vectors_aligned(gate);
  args.x = x.mutable_data_ptr();
  args.y = y.const_data_ptr();
  if (gate.defined()) {
    args.gate = gate.const_data_ptr();
    args.gate_last = (gate.size(0) - 1) * gate.stride(0);
  }
  return args;
}

}  // namespace

void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows) {
  const CudaTable* cuda = cuda_table_for(x, Kernel::kGatedAdd);
  if (cuda && usable(x, y, gate))
    run_on_cuda(*cuda, cuda->gated_add, arguments(x, y, gate, rows), x, Kernel::kGatedAdd);
  else
    twin::add_gated_(std::move(x), y, gate, rows);
}

void twin::add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows) {
  if (!gate.defined()) {
    x.add_(y);
    return;
  }
  for_each_run(x.size(0), gate.size(0), rows, [&](int64_t begin, int64_t length, int64_t row) {
    x.narrow(0, begin, length).addcmul_(y.narrow(0, begin, length), gate[row]);
  });
}

void host::add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows) {
  with_gated_add(arguments(std::move(x), y, gate, rows),
                 [](const auto& body) { run_items(body, 0, body.items()); });
}

}  // namespace ovi::kernels
