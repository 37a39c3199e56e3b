// SPDX-License-Identifier: Apache-2.0
#include "weights/part_tensors.h"

#include <utility>

#include "runtime/error.h"
#include "weights/numbers.h"

namespace ovi {

PartTensors::PartTensors(std::shared_ptr<const TensorSource> file, std::string stage)
    : file_(std::move(file)), stage_(std::move(stage)) {}

void PartTensors::read(const std::string& name, int64_t first, at::Tensor to) const {
  file_->read(name, first, to);
  if (!holds_numbers(to)) refuse(name, to.scalar_type());
}

void PartTensors::require_numbers(const std::string& name, const at::Tensor& values) const {
  if (!holds_numbers_in_parallel(values)) refuse(name, values.scalar_type());
}

void PartTensors::refuse(const std::string& name, at::ScalarType dtype) const {
  check();  // what became of the file meanwhile says more
  const std::string tensor =
      "Tensor '" + name + "' of '" + path() + "', which " + stage_ + " needs, holds ";
  const at::ScalarType stored = find(name)->dtype;
  if (stored != dtype && holds_numbers(view(name).contiguous())) {
    throw Error(ErrorKind::kFormat,
                tensor + "values that are too large for " + c10::toString(dtype) + ". " +
                    (stored == at::kDouble ? "Download the file again." : "Set precision=fp32."));
  }
  throw Error(ErrorKind::kFormat, tensor + "NaN or Inf. Download the file again.");
}

}  // namespace ovi
