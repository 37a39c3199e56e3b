// Looking tensors up, checking their shapes, and bringing them where they go.
// SPDX-License-Identifier: Apache-2.0
#include "weights/weights.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "runtime/error.h"

namespace ovi {

namespace {

constexpr uint64_t kMaxParts = 256;  // the largest published part has 30 blocks

std::string to_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] == kAny ? "any" : std::to_string(shape[i]);
  }
  return text + "]";
}

bool fits(const std::vector<int64_t>& found, const std::vector<int64_t>& expected) {
  return std::equal(found.begin(), found.end(), expected.begin(), expected.end(),
                    [](int64_t have, int64_t want) { return want == kAny || want == have; });
}

/// Bytes at the end of both names that are whole components.
size_t common_ending(std::string_view a, std::string_view b) {
  size_t length = 0;
  for (size_t i = 1; i <= std::min(a.size(), b.size()); ++i) {
    if (a[a.size() - i] != b[b.size() - i]) break;
    const bool a_begins = i == a.size() || a[a.size() - i - 1] == '.';
    const bool b_begins = i == b.size() || b[b.size() - i - 1] == '.';
    if (a_begins && b_begins) length = i;
  }
  return length;
}

/// The tensor whose name ends most like `name`, when that is more than its last
/// component: how a file from another program shows itself.
std::optional<std::string> similar(const TensorSource& source, const std::string& name) {
  const size_t last_dot = name.rfind('.');
  size_t best = last_dot == std::string::npos ? 0 : name.size() - last_dot - 1;
  std::optional<std::string> found;
  for (const TensorInfo& info : source.tensors()) {
    const size_t length = common_ending(name, info.name);
    if (length > best) {
      best = length;
      found = info.name;
    }
  }
  return found;
}

[[noreturn]] void missing(const TensorSource& source, const std::string& name,
                          const std::string& expected) {
  std::string message = "'" + source.path() + "' lacks the tensor '" + name + "'" + expected;
  if (const auto other = similar(source, name)) {
    message += "; it has '" + *other + "', as if another program had written it";
  } else {
    message += "; it is not the file this place needs";
  }
  throw Error(ErrorKind::kFormat, message + ".",
              std::to_string(source.tensors().size()) + " tensors in the file");
}

// Sizes come from shapes: without values there is nothing to compute with, or to divide by.
void refuse_empty(const TensorSource& source, const TensorInfo& info) {
  if (std::find(info.shape.begin(), info.shape.end(), 0) == info.shape.end()) return;
  throw Error(ErrorKind::kFormat, "Tensor '" + info.name + "' of '" + source.path() +
                                      "' has no values: its shape is " + to_text(info.shape) +
                                      ". Download the file again.");
}

// On the way that a null loader takes.
at::Tensor load_directly(const TensorSource& source, const std::string& name, at::ScalarType dtype,
                         const c10::Device& device) {
  // One conversion from the mapping to its place; the same tensor when it fits.
  return source.view(name)
      .to(at::TensorOptions().dtype(dtype).device(device), /*non_blocking=*/false,
          /*copy=*/false, at::MemoryFormat::Contiguous)
      .contiguous();
}

}  // namespace

Weights::Weights(std::shared_ptr<const TensorSource> source, Placement placement,
                 std::string prefix)
    : source_(std::move(source)), placement_(std::move(placement)), prefix_(std::move(prefix)) {
  if (!prefix_.empty() && prefix_.back() != '.') prefix_ += '.';
}

Weights Weights::at(const std::string& name) const {
  return Weights(source_, placement_, prefix_ + name);
}

std::string Weights::full_name(const std::string& name) const { return prefix_ + name; }

bool Weights::has(const std::string& name) const { return source_->find(full_name(name)); }

bool Weights::has_any_below(const std::string& name) const {
  const std::string below = full_name(name) + ".";
  const auto& tensors = source_->tensors();
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const TensorInfo& info) { return info.name.starts_with(below); });
}

std::vector<int64_t> Weights::shape(const std::string& name, size_t rank) const {
  const TensorInfo* info = source_->find(full_name(name));
  if (!info) missing(*source_, full_name(name), "");
  if (rank != 0 && info->shape.size() != rank) {
    throw Error(ErrorKind::kFormat, "Tensor '" + info->name + "' of '" + path() +
                                        "' has the shape " + to_text(info->shape) + ", but " +
                                        std::to_string(rank) + " dimensions are expected.");
  }
  refuse_empty(*source_, *info);
  return info->shape;
}

int64_t Weights::count() const {
  // One look at each name, however many indices there are.
  std::set<uint64_t> indices;
  for (const TensorInfo& info : source_->tensors()) {
    if (!info.name.starts_with(prefix_)) continue;
    const char *begin = info.name.data() + prefix_.size(),
               *end = info.name.data() + info.name.size();
    uint64_t index = 0;
    const auto [stop, error] = std::from_chars(begin, end, index);
    if (error != std::errc() || (stop != end && *stop != '.')) continue;
    if (stop - begin > 1 && *begin == '0') continue;  // 01 is no index
    if (index > kMaxParts) {
      throw Error(ErrorKind::kFormat, "'" + path() + "' has a tensor '" + info.name +
                                          "', and with it more than " + std::to_string(kMaxParts) +
                                          " parts below '" + prefix_ +
                                          "': it is not the file this place needs.");
    }
    indices.insert(index);
  }
  int64_t count = 0;
  while (indices.contains(static_cast<uint64_t>(count))) ++count;
  return count;
}

at::Tensor Weights::get(const std::string& name, const std::vector<int64_t>& expected) const {
  return take(name, expected, placement_.dtype);
}

at::Tensor Weights::get_optional(const std::string& name,
                                 const std::vector<int64_t>& expected) const {
  return has(name) ? get(name, expected) : at::Tensor();
}

at::Tensor Weights::get_float(const std::string& name, const std::vector<int64_t>& expected) const {
  return take(name, expected, at::kFloat);
}

at::Tensor Weights::get_as(const std::string& name, const std::vector<int64_t>& expected,
                           at::ScalarType dtype) const {
  return take(name, expected, dtype);
}

at::ScalarType Weights::stored_dtype(const std::string& name) const {
  const TensorInfo* info = source_->find(full_name(name));
  if (!info) missing(*source_, full_name(name), "");
  return info->dtype;
}

at::Tensor Weights::get_mapped(const std::string& name,
                               const std::vector<int64_t>& expected) const {
  return source_->view(look_up(name, expected).name);
}

std::optional<QuantizedTensor> Weights::quantized(const std::string& name) const {
  return source_->quantized(full_name(name));
}

at::Tensor Weights::get_values(const std::string& name,
                               const std::vector<int64_t>& expected) const {
  look_up(name, expected);
  const auto stored = quantized(name);
  if (!stored) return get_as(name, expected, stored_dtype(name));
  return Weights(source_, placement_)
      .get_as(stored->values_name, expected, stored->values.scalar_type());
}

at::Tensor Weights::get_stored(const std::string& name,
                               const std::vector<int64_t>& expected) const {
  const auto stored = quantized(name);
  if (!stored) return get_mapped(name, expected);
  look_up(name, expected);
  return stored->values;
}

at::Tensor Weights::get_temporary(const std::string& name,
                                  const std::vector<int64_t>& expected) const {
  return take(name, expected, placement_.dtype, /*stays=*/false);
}

std::vector<at::Tensor> Weights::derive(const std::vector<std::string>& names,
                                        const MakeTensors& make) const {
  if (placement_.loader) {
    std::vector<std::string> full;
    for (const std::string& name : names) full.push_back(full_name(name));
    return placement_.loader->derive(full, make);
  }
  std::vector<at::Tensor> made = make();
  for (at::Tensor& tensor : made) tensor = tensor.to(placement_.device).contiguous();
  return made;
}

std::shared_ptr<BlockHooks> Weights::block_hooks() const {
  return placement_.loader ? placement_.loader->block_hooks() : nullptr;
}

const TensorInfo& Weights::look_up(const std::string& name,
                                   const std::vector<int64_t>& expected) const {
  const std::string full = full_name(name);
  const TensorInfo* info = source_->find(full);
  if (!info) missing(*source_, full, " of the shape " + to_text(expected));
  if (!fits(info->shape, expected)) {
    throw Error(ErrorKind::kFormat, "Tensor '" + full + "' of '" + path() + "' has the shape " +
                                        to_text(info->shape) + ", but " + to_text(expected) +
                                        " is expected.");
  }
  if (std::find(expected.begin(), expected.end(), 0) == expected.end()) {
    refuse_empty(*source_, *info);
  }
  return *info;
}

at::Tensor Weights::take(const std::string& name, const std::vector<int64_t>& expected,
                         at::ScalarType dtype, bool stays) const {
  const TensorInfo& info = look_up(name, expected);
  if (WeightLoader* loader = placement_.loader.get()) {
    return stays ? loader->load(*source_, info.name, dtype)
                 : loader->load_temporary(*source_, info.name, dtype);
  }
  at::Tensor placed = load_directly(*source_, info.name, dtype, placement_.device);
  if (placed.device().is_cpu()) source_->require_numbers(info.name, placed);
  if (placement_.on_bytes) {
    placement_.on_bytes(placed.numel() * static_cast<int64_t>(c10::elementSize(info.dtype)));
  }
  return placed;
}

}  // namespace ovi
