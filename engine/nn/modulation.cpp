// SPDX-License-Identifier: Apache-2.0
#include "nn/modulation.h"

#include <ATen/TensorOperators.h>

namespace ovi::nn {
namespace {

// Calls apply(begin, length, row) for each run of tokens with one time row.
template <typename Apply>
void for_each_run(int64_t length, int64_t rows, TimeRows time, Apply apply) {
  const int64_t first = rows > 1 ? time.first_tokens : 0;
  if (first > 0) apply(0, first, 0);
  if (first < length) apply(first, length - first, rows - 1);
}

}  // namespace

void modulate_(at::Tensor x, const at::Tensor& shift, const at::Tensor& scale, TimeRows rows) {
  for_each_run(x.size(0), shift.size(0), rows, [&](int64_t begin, int64_t length, int64_t row) {
    x.narrow(0, begin, length).mul_(scale[row] + 1).add_(shift[row]);
  });
}

void add_gated_(at::Tensor x, const at::Tensor& y, const at::Tensor& gate, TimeRows rows) {
  for_each_run(x.size(0), gate.size(0), rows, [&](int64_t begin, int64_t length, int64_t row) {
    x.narrow(0, begin, length).addcmul_(y.narrow(0, begin, length), gate[row]);
  });
}

}  // namespace ovi::nn
