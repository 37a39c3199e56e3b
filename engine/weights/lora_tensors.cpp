// SPDX-License-Identifier: Apache-2.0
#include "weights/lora_tensors.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <utility>

#include "runtime/error.h"
#include "weights/json_file.h"
#include "weights/lora_product.h"
#include "weights/numbers.h"

namespace ovi {
namespace {

constexpr int64_t kRowsATask = 32;

at::Tensor floats(int64_t count) {
  return at::empty({count}, at::TensorOptions().dtype(at::kFloat));
}

/// Values of a LoRA's tensor in float32.
at::Tensor read_floats(const LoraDelta& delta, const std::string& name, int64_t first,
                       int64_t count) {
  at::Tensor values = floats(count);
  delta.file->read(name, first, values);
  if (holds_numbers(values)) return values;
  throw Error(ErrorKind::kFormat, "Tensor '" + brief_name(name) + "' of the LoRA '" +
                                      delta.file->path() +
                                      "' holds NaN or Inf. Download the file again.");
}

}  // namespace

LoraTensors::LoraTensors(std::shared_ptr<const TensorSource> base,
                         const std::vector<LoraFile>& files)
    : base_(std::move(base)), infos_(base_->tensors()) {
  for (const LoraFile& file : files) {
    for (const auto& [name, deltas] : file.deltas) {
      for (const LoraDelta& delta : deltas) {
        if (files_.empty() || files_.back() != delta.file) files_.push_back(delta.file);
        if (delta.factor != 0) deltas_[name].push_back(delta);
      }
    }
  }
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (!touches(infos_[i].name)) continue;
    infos_[i].dtype = at::kFloat;
    index_.emplace(infos_[i].name, i);
  }
}

const TensorInfo* LoraTensors::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? base_->find(name) : &infos_[found->second];
}

at::Tensor LoraTensors::view(const std::string& name) const {
  if (!touches(name)) return base_->view(name);
  const std::vector<int64_t>& shape = find(name)->shape;
  return merged(name, rows_of(name, 0, c10::multiply_integers(shape)), /*threads=*/true)
      .view(shape);
}

void LoraTensors::read(const std::string& name, int64_t first, at::Tensor to) const {
  if (!touches(name)) {
    base_->read(name, first, std::move(to));
    return;
  }
  const Rows rows = rows_of(name, first, to.numel());
  to.copy_(merged(name, rows, /*threads=*/false)
               .narrow(0, first - rows.first * rows.columns, to.numel()));
}

void LoraTensors::check() const {
  base_->check();
  for (const auto& file : files_) file->check();
}

LoraTensors::Rows LoraTensors::rows_of(const std::string& name, int64_t first,
                                       int64_t count) const {
  const std::vector<int64_t>& shape = find(name)->shape;
  const int64_t columns = std::max<int64_t>(c10::numelements_from_dim(1, shape), 1);
  const int64_t begin = first / columns, end = (first + count + columns - 1) / columns;
  return {begin, end - begin, columns};
}

at::Tensor LoraTensors::merged(const std::string& name, const Rows& rows, bool threads) const {
  const auto base = [&] {
    at::Tensor values = floats(rows.count * rows.columns);
    base_->read(name, rows.first * rows.columns, values);
    return values;
  };
  at::Tensor values = base();
  const std::vector<LoraDelta>& deltas = deltas_.at(name);
  for (const LoraDelta& delta : deltas) add(delta, rows, threads, values);
  // What the base itself has is told by who needs it.
  if (!holds_numbers(values) && holds_numbers(base())) {
    throw Error(ErrorKind::kFormat, "With the LoRA '" + deltas.back().file->path() +
                                        "' the values of '" + name +
                                        "' become too large. Lower its strength, or take another "
                                        "file.");
  }
  return values;
}

void LoraTensors::add(const LoraDelta& delta, const Rows& rows, bool threads,
                      const at::Tensor& to) const {
  auto* sum = to.mutable_data_ptr<float>();
  if (!delta.values.empty()) {
    const at::Tensor values =
        read_floats(delta, delta.values, rows.first * rows.columns, rows.count * rows.columns);
    const auto* added = values.const_data_ptr<float>();
    for (int64_t i = 0; i < values.numel(); ++i) sum[i] += delta.factor * added[i];
    return;
  }
  const at::Tensor down = read_floats(delta, delta.down, 0, delta.rank * rows.columns);
  const at::Tensor up =
      read_floats(delta, delta.up, rows.first * delta.rank, rows.count * delta.rank);
  const auto add_rows = [&](int64_t begin, int64_t end) {
    add_product(up.const_data_ptr<float>() + begin * delta.rank, down.const_data_ptr<float>(),
                end - begin, delta.rank, rows.columns, delta.factor, sum + begin * rows.columns);
  };
  if (threads) {
    at::parallel_for(0, rows.count, kRowsATask, add_rows);
  } else {
    add_rows(0, rows.count);
  }
}

std::shared_ptr<const TensorSource> with_loras(std::shared_ptr<const TensorSource> model,
                                               const std::vector<Lora>& loras,
                                               std::vector<std::string>* warnings) {
  if (loras.empty()) return model;
  std::vector<LoraFile> files;
  for (const Lora& lora : loras) {
    files.push_back(read_lora(lora, *model));
    if (warnings && !files.back().warning.empty()) warnings->push_back(files.back().warning);
  }
  return std::make_shared<const LoraTensors>(std::move(model), files);
}

}  // namespace ovi
