// SPDX-License-Identifier: Apache-2.0
#include "weights/safetensors_layout.h"

#include <c10/util/accumulate.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/error.h"
#include "weights/safetensors_dtypes.h"

namespace ovi {
namespace {

// As many loaders find it, in the order of the file; nlohmann's plain object sorts by names.
using Json = nlohmann::ordered_json;

constexpr uint64_t kAlignment = 64;  // of a cache line, and of the widest vectors
constexpr uint64_t kPage = 4096;     // where the tensors begin
constexpr size_t kLengthBytes = 8;

/// The largest power of two that divides the tensor's bytes, 64 at most.
uint64_t alignment_of(const TensorInfo& tensor) {
  const uint64_t bytes = bytes_of(tensor) | kAlignment;
  return bytes & (~bytes + 1);
}

}  // namespace

int64_t elements_of(const TensorInfo& tensor) { return c10::multiply_integers(tensor.shape); }

uint64_t bytes_of(const TensorInfo& tensor) {
  return static_cast<uint64_t>(elements_of(tensor)) * c10::elementSize(tensor.dtype);
}

SafetensorsLayout lay_out(std::vector<TensorInfo> tensors,
                          const std::map<std::string, std::string>& metadata) {
  SafetensorsLayout layout;
  layout.tensors = std::move(tensors);
  std::stable_sort(layout.tensors.begin(), layout.tensors.end(),
                   [](const TensorInfo& one, const TensorInfo& other) {
                     return alignment_of(one) > alignment_of(other);
                   });
  Json json = Json::object();
  json["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorInfo& tensor : layout.tensors) {
    const auto dtype = safetensors::name_of(tensor.dtype);
    if (!dtype) {
      throw Error(ErrorKind::kFormat, "Tensor '" + tensor.name + "' is of " +
                                          c10::toString(tensor.dtype) +
                                          ", which safetensors files do not have.");
    }
    const uint64_t end = offset + bytes_of(tensor);
    json[tensor.name] = {
        {"dtype", *dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Names are UTF-8, as their reader has made sure; a path in the metadata need not be.
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  const size_t whole = (kLengthBytes + text.size() + kPage - 1) / kPage * kPage;
  text.resize(whole - kLengthBytes, ' ');  // as the format allows
  for (size_t i = 0; i < kLengthBytes; ++i) {
    layout.header += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  }
  layout.header += text;
  layout.bytes = layout.header.size() + offset;
  return layout;
}

}  // namespace ovi
