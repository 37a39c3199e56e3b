// SPDX-License-Identifier: Apache-2.0
#include "weights/manifest.h"

#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "weights/weights.h"

namespace ovi {

int64_t WeightSpec::count() const { return c10::multiply_integers(shape); }

Manifest manifest_of(std::shared_ptr<const TensorSource> source, Placement placement,
                     const std::function<void(const Weights& weights)>& make) {
  const auto recorder = std::make_shared<ManifestRecorder>();
  placement.device = c10::kMeta;
  placement.loader = recorder;
  make(Weights(std::move(source), placement));
  return recorder->manifest();
}

at::Tensor ManifestRecorder::record(const std::string& name, at::ScalarType dtype,
                                    std::vector<int64_t> shape, WeightSpec::Use use) {
  manifest_.push_back({name, dtype, std::move(shape), use});
  return at::empty(manifest_.back().shape, at::TensorOptions().dtype(dtype).device(c10::kMeta));
}

at::Tensor ManifestRecorder::load(const TensorSource& source, const std::string& name,
                                  at::ScalarType dtype) {
  return record(name, dtype, source.find(name)->shape, WeightSpec::Use::kStored);
}

at::Tensor ManifestRecorder::load_temporary(const TensorSource& source, const std::string& name,
                                            at::ScalarType dtype) {
  return record(name, dtype, source.find(name)->shape, WeightSpec::Use::kTemporary);
}

std::vector<at::Tensor> ManifestRecorder::derive(const std::vector<std::string>& names,
                                                 const MakeTensors& make) {
  std::vector<at::Tensor> tensors;
  for (const at::Tensor& made : make()) {
    tensors.push_back(record(names[tensors.size()], made.scalar_type(), made.sizes().vec(),
                             WeightSpec::Use::kDerived));
  }
  return tensors;
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

std::vector<int64_t> streamed_with(const Manifest& manifest) {
  std::vector<int64_t> blocks;
  int64_t depth = 0;
  for (const WeightSpec& tensor : manifest) {
    blocks.push_back(block_of(tensor.name));
    depth = std::max(depth, blocks.back() + 1);
  }
  constexpr std::string_view kEmbedding = "audio_model.patch_embedding.2.w";
  for (size_t i = 0; depth > 0 && i < manifest.size(); ++i) {
    const std::string& name = manifest[i].name;
    if (!name.starts_with(kEmbedding)) continue;
    blocks[i] = name[kEmbedding.size()] == '2' ? depth + 1 : depth;
  }
  return blocks;
}

}  // namespace ovi
