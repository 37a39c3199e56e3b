// SPDX-License-Identifier: Apache-2.0
#include "weights/placer.h"

#include <ATen/ops/empty.h>

#include <charconv>
#include <utility>

namespace ovi {

int64_t Rehearsed::count() const {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  return count;
}

at::Tensor Rehearsal::hear(const std::string& name, at::ScalarType dtype,
                           std::vector<int64_t> shape, Rehearsed::Use use) {
  heard_.push_back({name, dtype, std::move(shape), use});
  return at::empty(heard_.back().shape, at::TensorOptions().dtype(dtype).device(c10::kMeta));
}

at::Tensor Rehearsal::place(const TensorSource& source, const std::string& name,
                            at::ScalarType dtype) {
  return hear(name, dtype, source.find(name)->shape, Rehearsed::Use::kPlace);
}

at::Tensor Rehearsal::lend(const TensorSource& source, const std::string& name,
                           at::ScalarType dtype) {
  return hear(name, dtype, source.find(name)->shape, Rehearsed::Use::kLend);
}

std::vector<at::Tensor> Rehearsal::derive(const std::vector<std::string>& names,
                                          const MakeTensors& make) {
  std::vector<at::Tensor> tensors;
  for (const at::Tensor& made : make()) {
    tensors.push_back(hear(names[tensors.size()], made.scalar_type(), made.sizes().vec(),
                           Rehearsed::Use::kDerive));
  }
  return tensors;
}

int64_t Rehearsal::bytes() const {
  int64_t bytes = 0;
  for (const Rehearsed& tensor : heard_) {
    if (tensor.use != Rehearsed::Use::kLend) bytes += tensor.bytes();
  }
  return bytes;
}

int64_t block_of(const std::string& name) {
  constexpr std::string_view kBlocks = "blocks.";
  size_t at = name.find(kBlocks);
  while (at != std::string::npos && at > 0 && name[at - 1] != '.') {
    at = name.find(kBlocks, at + 1);
  }
  if (at == std::string::npos) return -1;
  int64_t block = -1;
  const char *begin = name.data() + at + kBlocks.size(), *end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, block);
  return error == std::errc() && stop != end && *stop == '.' ? block : -1;
}

}  // namespace ovi
