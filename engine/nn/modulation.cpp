// SPDX-License-Identifier: Apache-2.0
#include "nn/modulation.h"

#include <ATen/TensorOperators.h>

#include <utility>

#include "kernels/gated_add.h"

namespace ovi::nn {

void modulate_(at::Tensor x, const at::Tensor& shift, const at::Tensor& scale, TimeRows rows) {
  kernels::for_each_run(x.size(0), shift.size(0), rows,
                        [&](int64_t begin, int64_t length, int64_t row) {
                          x.narrow(0, begin, length).mul_(scale[row] + 1).add_(shift[row]);
                        });
}

void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows) {
  kernels::add_gated_(std::move(x), y, gate, rows);
}

}  // namespace ovi::nn
