// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stage_check.h"

#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/logical_and.h>
#include <c10/util/accumulate.h>

#include <algorithm>

namespace ovi {
namespace {

constexpr int64_t kChunk = int64_t{1} << 22;  // elements looked at in one go

bool has_other_values(const TensorSource& file, const TensorInfo& tensor) {
  if (!c10::isFloatingType(tensor.dtype)) return false;
  const int64_t count = c10::multiply_integers(tensor.shape);
  for (int64_t first = 0; first < count; first += kChunk) {
    // 8-bit floats have no minimum of their own; doubles may be beyond float32.
    const at::Tensor values = at::empty(
        {std::min(kChunk, count - first)},
        at::TensorOptions().dtype(tensor.dtype == at::kDouble ? at::kDouble : at::kFloat));
    file.read(tensor.name, first, values);
    if (!all_numbers(values).item<bool>()) return true;
  }
  return false;
}

}  // namespace

// A minimum or a maximum is NaN where any value is.
at::Tensor all_numbers(const at::Tensor& x) {
  const auto [least, most] = at::aminmax(x);
  return at::logical_and(at::isfinite(least), at::isfinite(most));
}

Error no_numbers(const std::string& stage, const TensorSource& file, const c10::Device& device,
                 const Arithmetic& arithmetic) {
  const std::string begin = "NaN or Inf came out of " + stage;
  try {
    for (const TensorInfo& tensor : file.tensors()) {
      if (!has_other_values(file, tensor)) continue;
      return Error(ErrorKind::kFormat, begin + ": tensor '" + tensor.name + "' of '" + file.path() +
                                           "' holds such a value. Download the file again.");
    }
    file.check();
  } catch (const Error& error) {
    return error;
  }
  std::string ways;
  if (arithmetic.dtype != at::kFloat || arithmetic.float8_matrices) ways = "precision=fp32";
  if (!device.is_cpu()) {
    ways += std::string(ways.empty() ? "" : ", ") + "OVI_FUSED_KERNELS=0 or device=cpu";
  }
  return Error(ErrorKind::kFormat,
               begin + ", although every weight of '" + file.path() + "' is a number. " +
                   (ways.empty() ? "Download the file again: its values are not a model's."
                                 : "Try " + ways + "; if it stays, download the file again."));
}

}  // namespace ovi
