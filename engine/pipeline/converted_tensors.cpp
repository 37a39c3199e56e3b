// SPDX-License-Identifier: Apache-2.0
#include "pipeline/converted_tensors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "kernels/float8_rows.h"
#include "runtime/error.h"
#include "weights/numbers.h"

namespace ovi {
namespace {

constexpr int64_t kPiece = int64_t{1} << 22;  // elements
constexpr float kFloat8Max = 448;             // the largest e4m3fn

at::TensorOptions of_type(at::ScalarType dtype) { return at::TensorOptions().dtype(dtype); }

class Writing {
 public:
  Writing(const TensorSource& source, NewFile& to, const std::function<void(uint64_t)>& on_bytes)
      : source_(source), to_(to), on_bytes_(on_bytes) {}

  void write(const at::Tensor& values) const {
    to_.write(values.const_data_ptr(), values.nbytes());
    on_bytes_(values.nbytes());
  }

  /// Calls use(piece, first) with pieces of `step` elements, flat, of `dtype`.
  template <typename Use>
  void pieces(const PlannedTensor& planned, at::ScalarType dtype, int64_t step, Use use) const {
    const int64_t count = elements_of(planned.source);
    for (int64_t first = 0; first < count; first += step) {
      const at::Tensor piece = at::empty({std::min(step, count - first)}, of_type(dtype));
      source_.read(planned.source.name, first, piece);
      if (planned.needed && !holds_numbers(piece)) refuse(planned, dtype);
      use(piece);
    }
  }

 private:
  [[noreturn]] void refuse(const PlannedTensor& planned, at::ScalarType dtype) const {
    const at::Tensor stored = source_.view(planned.source.name).contiguous();
    const bool too_large = planned.source.dtype != dtype && holds_numbers(stored);
    source_.check();  // what became of the file meanwhile says more
    throw Error(ErrorKind::kFormat, "Tensor '" + planned.source.name + "' of '" + source_.path() +
                                        "' holds " +
                                        (too_large ? std::string("values that are too large for ") +
                                                         c10::toString(dtype) + ". Convert to fp32."
                                                   : "NaN or Inf. Download the file again."));
  }

  const TensorSource& source_;
  NewFile& to_;
  const std::function<void(uint64_t)>& on_bytes_;
};

/// As the engine makes them itself: of the matrix in bfloat16, row by row.
at::Tensor write_rows(const Writing& writing, const PlannedTensor& planned) {
  const int64_t rows = planned.source.shape[0], width = planned.source.shape[1];
  const at::Tensor factors = at::empty({rows, 1}, of_type(at::kFloat));
  int64_t row = 0;
  writing.pieces(planned, at::kBFloat16, std::max<int64_t>(kPiece / width, 1) * width,
                 [&](const at::Tensor& piece) {
                   const kernels::Float8Rows made = kernels::to_float8(piece.view({-1, width}));
                   factors.narrow(0, row, made.values.size(0)).copy_(made.factors);
                   row += made.values.size(0);
                   writing.write(made.values);
                 });
  return factors;
}

/// Read twice, since the largest magnitude comes first.
at::Tensor write_whole(const Writing& writing, const PlannedTensor& planned) {
  float largest = 0;
  writing.pieces(planned, at::kBFloat16, kPiece, [&](const at::Tensor& piece) {
    largest = std::max(largest, piece.abs().max().item<float>());
  });
  const float factor = largest > 0 ? largest / kFloat8Max : 1;
  writing.pieces(planned, at::kBFloat16, kPiece, [&](const at::Tensor& piece) {
    const at::Tensor values = (piece.to(at::kFloat) / factor).clamp_(-kFloat8Max, kFloat8Max);
    writing.write(values.to(at::kFloat8_e4m3fn));
  });
  return at::full({1}, factor, of_type(at::kFloat));
}

}  // namespace

ConvertedTensors::ConvertedTensors(std::shared_ptr<const TensorSource> source,
                                   std::vector<PlannedTensor> plan, Factors factors,
                                   const std::map<std::string, std::string>& metadata)
    : source_(std::move(source)), factors_(factors) {
  std::vector<TensorInfo> written;
  for (PlannedTensor& planned : plan) {
    const std::string name = planned.source.name;
    written.push_back({name, planned.dtype, planned.source.shape});
    if (planned.float8) {
      // After its matrix in the list, and in the file: they are known when that is written.
      const std::string factors_tensor = factors_name(name);
      const std::vector<int64_t> shape = factors == Factors::kRow
                                             ? std::vector<int64_t>{planned.source.shape[0], 1}
                                             : std::vector<int64_t>{1};
      written.push_back({factors_tensor, at::kFloat, shape});
      factors_of_[factors_tensor] = name;
    }
    plan_.emplace(name, std::move(planned));
  }
  layout_ = lay_out(std::move(written), metadata);
}

void ConvertedTensors::write(NewFile& to,
                             const std::function<void(uint64_t bytes)>& on_bytes) const {
  const c10::InferenceMode inference;
  const Writing writing(*source_, to, on_bytes);
  std::map<std::string, at::Tensor> factors;  // by the matrix's name
  to.write(layout_.header);
  on_bytes(layout_.header.size());
  for (const TensorInfo& tensor : layout_.tensors) {
    if (const auto matrix = factors_of_.find(tensor.name); matrix != factors_of_.end()) {
      writing.write(factors.at(matrix->second));
      factors.erase(matrix->second);
      continue;
    }
    const PlannedTensor& planned = plan_.at(tensor.name);
    if (planned.float8) {
      factors[tensor.name] =
          factors_ == Factors::kRow ? write_rows(writing, planned) : write_whole(writing, planned);
      continue;
    }
    writing.pieces(planned, planned.dtype, kPiece,
                   [&](const at::Tensor& piece) { writing.write(piece); });
  }
  source_->check();
}

}  // namespace ovi
