// Bounds are checked once, when a tensor is added; a view is then free.
// SPDX-License-Identifier: Apache-2.0
#include "weights/file_tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/error.h"

namespace ovi {

namespace {

constexpr size_t kMaxRank = 64;       // of a tensor in ATen
constexpr size_t kLongestName = 256;  // bytes; the longest published one has 80
constexpr uint64_t kMaxBytes = uint64_t{1} << 62;
/// A view may show the same bytes many times (expand). What it shows may be as
/// large as the file, or this, so that a few bytes cannot ask for a terabyte.
constexpr uint64_t kSmallBytes = uint64_t{1} << 20;
constexpr uint64_t kMostViews = 4, kManySmallBytes = uint64_t{64} << 20;

}  // namespace

uint64_t span_in_elements(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                          uint64_t element_size, const std::string& what) {
  const auto refuse = [&](const char* why) {
    throw Error(ErrorKind::kFormat, what + " " + why + ": the file is damaged.");
  };
  if (shape.size() > kMaxRank) refuse("has more than 64 dimensions");
  if (strides.size() != shape.size()) refuse("has a stride count that differs from its dimensions");
  const uint64_t limit = kMaxBytes / element_size;
  uint64_t last = 0;
  bool empty = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) refuse("has a negative size");
    if (strides[i] < 0) refuse("has a negative stride");
    if (shape[i] == 0) empty = true;
    if (shape[i] < 2) continue;
    uint64_t reach = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(shape[i] - 1),
                               static_cast<uint64_t>(strides[i]), &reach) ||
        __builtin_add_overflow(last, reach, &last) || last >= limit) {
      refuse("is too large to be true");
    }
  }
  // Also the product of the sizes has to be a number, empty tensors included.
  uint64_t count = 1;
  for (const int64_t size : shape) {
    if (size == 0) continue;
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &count) || count > limit) {
      refuse("is too large to be true");
    }
  }
  return empty ? 0 : last + 1;
}

std::vector<int64_t> row_major(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    if (shape[i] > 1) step *= shape[i];
  }
  return strides;
}

FileTensors::FileTensors(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

void FileTensors::add(TensorInfo info, TensorPlace place) {
  if (info.name.size() > kLongestName) {
    throw Error(ErrorKind::kFormat, "'" + path() + "' has a tensor with a name of " +
                                        std::to_string(info.name.size()) +
                                        " bytes: it is not the file this place needs.");
  }
  const std::string what = "Tensor '" + info.name + "' of '" + path() + "'";
  const uint64_t element = c10::elementSize(info.dtype);
  const uint64_t bytes = span_in_elements(info.shape, place.strides, element, what) * element;
  if (place.offset > file_->size() || bytes > file_->size() - place.offset) {
    throw Error(ErrorKind::kRead,
                what + " lies past the end of the file, which is truncated: download it again.",
                "needs " + std::to_string(place.offset + bytes) + " bytes, has " +
                    std::to_string(file_->size()));
  }
  uint64_t shown = element;
  for (const int64_t size : info.shape) shown *= static_cast<uint64_t>(size);
  // Likewise all tensors together: some are stored once and shown under several names.
  shown_ += shown;
  if (shown > std::max<uint64_t>(file_->size(), kSmallBytes) ||
      shown_ > std::max<uint64_t>(kMostViews * file_->size(), kManySmallBytes)) {
    throw Error(ErrorKind::kFormat,
                what + " repeats its values to more bytes than the file has; save it again " +
                    "contiguously.");
  }
  if (!index_.emplace(info.name, infos_.size()).second) {
    throw Error(ErrorKind::kFormat, what + " is there twice: the file is damaged.");
  }
  infos_.push_back(std::move(info));
  places_.push_back(std::move(place));
}

const TensorInfo* FileTensors::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &infos_[found->second];
}

at::Tensor FileTensors::view(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    throw Error(ErrorKind::kFormat, "'" + path() + "' has no tensor '" + name + "'.");
  }
  const TensorInfo& info = infos_[found->second];
  const TensorPlace& place = places_[found->second];
  const uint64_t element = c10::elementSize(info.dtype);
  const uint64_t span = span_in_elements(info.shape, place.strides, element, name);
  const at::TensorOptions options = at::TensorOptions().dtype(info.dtype).device(c10::kCPU);
  const uint8_t* begin = file_->data() + place.offset;

  if (reinterpret_cast<uintptr_t>(begin) % element != 0) {
    at::Tensor copy = at::empty({static_cast<int64_t>(span)}, options);
    if (span > 0) std::memcpy(copy.mutable_data_ptr(), begin, span * element);
    return copy.as_strided(info.shape, place.strides);
  }
  file_->will_need(place.offset, span * element);
  return at::from_blob(
      const_cast<uint8_t*>(begin), info.shape, place.strides,
      [file = file_](void*) mutable { file.reset(); }, options, c10::Device(c10::kCPU));
}

void FileTensors::read(const std::string& name, int64_t first, at::Tensor to) const {
  const auto found = index_.find(name);
  if (found == index_.end() ||
      places_[found->second].strides != row_major(infos_[found->second].shape)) {
    TensorSource::read(name, first, std::move(to));
    return;
  }
  const TensorInfo& info = infos_[found->second];
  const uint64_t element = c10::elementSize(info.dtype);
  const uint64_t offset = places_[found->second].offset + static_cast<uint64_t>(first) * element;
  const bool converts = to.scalar_type() != info.dtype;
  at::Tensor stored =
      converts ? at::empty({to.numel()}, at::TensorOptions().dtype(info.dtype)) : to;
  file_->read(offset, stored.mutable_data_ptr(), stored.nbytes());
  if (converts) to.copy_(stored);
}

}  // namespace ovi
