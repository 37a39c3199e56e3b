// LoRA files that a test makes up, for the layers of the tiny model.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

namespace ovi::test {

using NamedTensors = std::map<std::string, at::Tensor>;

inline const char* safetensors_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "F32";
    case at::kBFloat16:
      return "BF16";
    case at::kHalf:
      return "F16";
    case at::kLong:
      return "I64";
    default:
      TORCH_CHECK(false, "no name for it here");
  }
}

/// Returns the path.
inline std::string save_safetensors(const std::string& path, const NamedTensors& tensors) {
  std::string header, data;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor flat = tensor.contiguous();
    std::string shape;
    for (const int64_t n : flat.sizes()) {
      if (!shape.empty()) shape += ',';
      shape += std::to_string(n);
    }
    header += (header.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":")" +
              safetensors_name(flat.scalar_type()) + R"(","shape":[)" + shape +
              R"(],"data_offsets":[)" + std::to_string(data.size()) + "," +
              std::to_string(data.size() + flat.nbytes()) + "]}";
    data.append(static_cast<const char*>(flat.const_data_ptr()), flat.nbytes());
  }
  header += header.empty() ? "{}" : "}";
  while (header.size() % 8 != 0) header += ' ';
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  std::ofstream(path, std::ios::binary) << bytes << header << data;
  return path;
}

/// Small multiples of 1/64: sums of their products are exact in float32, in any order, so that
/// another program's arithmetic gives the same bits.
inline at::Tensor exact_values(at::IntArrayRef shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randint(-16, 17, shape, generator, at::TensorOptions().dtype(at::kFloat)) / 64;
}

/// The halves of one layer.
struct Halves {
  at::Tensor down, up;  // [rank, in], [out, rank]
  Halves(int64_t out, int64_t in, int64_t rank, uint64_t seed)
      : down(exact_values({rank, in}, seed)), up(exact_values({out, rank}, seed + 1)) {}
  at::Tensor product() const { return at::mm(up, down); }
};

}  // namespace ovi::test
