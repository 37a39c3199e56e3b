// SPDX-License-Identifier: Apache-2.0
#include "weights/layouts/arranged_tensors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <utility>

#include "runtime/error.h"
#include "weights/numbers.h"

namespace ovi {
namespace {

/// Values that are in float32 at once while others are made of them.
constexpr int64_t kPiece = int64_t{1} << 20;

/// `values`, flat, times `scales`; its first value is number `first` of rows of `columns`.
/// As float32.
at::Tensor scaled(const at::Tensor& values, const at::Tensor& scales, int64_t first,
                  int64_t columns) {
  at::Tensor wide = values.to(at::kFloat);
  if (scales.numel() == 1) return wide.mul_(scales);
  const int64_t count = wide.numel();
  for (int64_t at = 0; at < count;) {
    const int64_t row = (first + at) / columns, column = (first + at) % columns;
    // Whole rows together; the first and the last may be parts.
    const int64_t rows = column == 0 ? (count - at) / columns : 0;
    if (rows > 0) {
      wide.narrow(0, at, rows * columns)
          .view({rows, columns})
          .mul_(scales.narrow(0, row, rows).unsqueeze(1));
      at += rows * columns;
    } else {
      const int64_t part = std::min(columns - column, count - at);
      wide.narrow(0, at, part).mul_(scales[row]);
      at += part;
    }
  }
  return wide;
}

}  // namespace

void ArrangedTensors::add(const std::string& name,
                          const std::shared_ptr<const TensorSource>& source,
                          const std::string& stored, const std::string& scale) {
  const TensorInfo& values = *source->find(stored);
  TensorInfo info{name, values.dtype, values.shape};
  const std::string what = "Tensor '" + stored + "' of '" + source->path() + "'";
  if (!scale.empty()) {
    const TensorInfo& scales = *source->find(scale);
    const int64_t count = c10::multiply_integers(scales.shape);
    const int64_t rows = values.shape.empty() ? 1 : values.shape[0];
    const bool a_row = !scales.shape.empty() && scales.shape[0] == rows && count == rows;
    if ((count != 1 && !a_row) || !c10::isFloatingType(scales.dtype)) {
      throw Error(ErrorKind::kFormat,
                  what + " has a scale that is neither one number nor one for each of its " +
                      std::to_string(rows) + " rows: download the file again.",
                  "'" + scale + "' has " + std::to_string(count) + " values of " +
                      c10::toString(scales.dtype));
    }
    info.dtype = at::kFloat;
  }
  if (!index_.emplace(name, infos_.size()).second) {
    throw Error(ErrorKind::kFormat, what + " is '" + name + "', which is there already: '" + path_ +
                                        "' holds this part of the model twice.");
  }
  if (!scale.empty()) {
    values_.emplace(name + " values", value_infos_.size());
    value_infos_.push_back({name + " values", values.dtype, values.shape});
  }
  infos_.push_back(std::move(info));
  places_.push_back({source, stored, scale});
  if (std::find(sources_.begin(), sources_.end(), source) == sources_.end()) {
    sources_.push_back(source);
  }
}

const TensorInfo* ArrangedTensors::find(const std::string& name) const {
  if (const auto found = index_.find(name); found != index_.end()) return &infos_[found->second];
  const auto values = values_.find(name);
  return values == values_.end() ? nullptr : &value_infos_[values->second];
}

const ArrangedTensors::Place& ArrangedTensors::place_of(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    throw Error(ErrorKind::kFormat, "'" + path_ + "' has no tensor '" + name + "'.");
  }
  return places_[found->second];
}

at::Tensor ArrangedTensors::scales_of(const Place& place) const {
  at::Tensor scales = at::empty({c10::multiply_integers(place.source->find(place.scale)->shape)},
                                at::TensorOptions().dtype(at::kFloat));
  place.source->read(place.scale, 0, scales);
  if (!holds_numbers(scales)) {
    throw Error(ErrorKind::kFormat, "Tensor '" + place.scale + "' of '" + place.source->path() +
                                        "' is a scale that holds NaN or Inf. Download the file "
                                        "again.");
  }
  const auto* value = scales.const_data_ptr<float>();
  if (std::any_of(value, value + scales.numel(), [](float scale) { return scale <= 0; })) {
    throw Error(ErrorKind::kFormat, "Tensor '" + place.scale + "' of '" + place.source->path() +
                                        "' is a scale of 0 or less. Download the file again.");
  }
  return scales;
}

at::Tensor ArrangedTensors::view(const std::string& name) const {
  if (const auto values = values_.find(name); values != values_.end()) {
    const Place& place = place_of(name.substr(0, name.rfind(' ')));
    return place.source->view(place.stored);
  }
  const Place& place = place_of(name);
  if (place.scale.empty()) return place.source->view(place.stored);
  const TensorInfo& info = *find(name);
  at::Tensor made = at::empty(info.shape, at::TensorOptions().dtype(at::kFloat));
  read(name, 0, made.view({-1}));
  return made;
}

void ArrangedTensors::read(const std::string& name, int64_t first, at::Tensor to) const {
  if (const auto values = values_.find(name); values != values_.end()) {
    const Place& place = place_of(name.substr(0, name.rfind(' ')));
    place.source->read(place.stored, first, std::move(to));
    return;
  }
  const Place& place = place_of(name);
  if (place.scale.empty()) {
    place.source->read(place.stored, first, std::move(to));
    return;
  }
  const TensorInfo& info = *place.source->find(place.stored);
  const at::Tensor scales = scales_of(place);
  const int64_t rows = info.shape.empty() ? 1 : info.shape[0];
  const int64_t columns =
      std::max<int64_t>(c10::multiply_integers(info.shape) / std::max<int64_t>(rows, 1), 1);
  at::Tensor piece =
      at::empty({std::min(kPiece, to.numel())}, at::TensorOptions().dtype(info.dtype));
  for (int64_t at = 0; at < to.numel(); at += kPiece) {
    const int64_t count = std::min(kPiece, to.numel() - at);
    const at::Tensor values = piece.narrow(0, 0, count);
    place.source->read(place.stored, first + at, values);
    to.narrow(0, at, count).copy_(scaled(values, scales, first + at, columns));
  }
}

bool ArrangedTensors::is_mapped(const std::string& name) const {
  if (values_.contains(name)) return true;
  const Place& place = place_of(name);
  return place.scale.empty() && place.source->is_mapped(place.stored);
}

void ArrangedTensors::check() const {
  for (const auto& source : sources_) source->check();
}

std::optional<QuantizedTensor> ArrangedTensors::quantized(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  const Place& place = places_[found->second];
  if (place.scale.empty()) return std::nullopt;
  return QuantizedTensor{place.source->view(place.stored), scales_of(place), name + " values"};
}

}  // namespace ovi
