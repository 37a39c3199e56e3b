// SPDX-License-Identifier: Apache-2.0
#include "weights/layouts/open_component.h"

#include <algorithm>

#include "runtime/error.h"
#include "weights/layouts/arranged_tensors.h"
#include "weights/layouts/file_parts.h"
#include "weights/layouts/shards.h"

namespace ovi {
namespace {

std::string paths_of(const std::vector<std::shared_ptr<const TensorSource>>& sources) {
  std::string paths;
  for (const auto& source : sources) {
    paths += (paths.empty() ? "" : "' and '") + source->path();
  }
  return paths;
}

/// The part that owns a name: the one with the longest prefix, since one half's names may have
/// none beside the other's "audio_model.".
const FilePart* owner_of(const std::string& name, const std::vector<FilePart>& parts) {
  const FilePart* owner = nullptr;
  for (const FilePart& part : parts) {
    if (!name.starts_with(part.prefix)) continue;
    if (!owner || part.prefix.size() > owner->prefix.size()) owner = &part;
  }
  return owner;
}

}  // namespace

std::shared_ptr<const TensorSource> arrange(
    const std::vector<std::shared_ptr<const TensorSource>>& sources, Component component) {
  const auto arranged = std::make_shared<ArrangedTensors>(paths_of(sources));
  bool as_published = sources.size() == 1;
  for (const auto& source : sources) {
    const std::vector<StoredTensor> tensors = stored_tensors(*source);
    const std::vector<FilePart> parts = parts_of(tensors);
    const auto has = [&](const std::string& name) {
      return std::any_of(tensors.begin(), tensors.end(),
                         [&](const StoredTensor& tensor) { return tensor.name == name; });
    };
    for (const StoredTensor& tensor : tensors) {
      const FilePart* owner = owner_of(tensor.name, parts);
      if (!owner || component_of(owner->part) != component) continue;
      const std::string below = tensor.name.substr(owner->prefix.size());
      // T5's embedding has two names; some files have both.
      if (below == "encoder.embed_tokens.weight" && has(owner->prefix + "shared.weight")) continue;
      const auto name = reference_name(owner->part, below);
      if (!name) continue;
      as_published = as_published && *name == tensor.values.name && tensor.scale.empty();
      arranged->add(*name, source, tensor.values.name, tensor.scale);
    }
  }
  if (arranged->tensors().empty() || as_published) return sources.front();
  return arranged;
}

std::shared_ptr<const TensorSource> open_file(const std::string& path) {
  return is_shard_index(path) ? open_shards(path) : open_tensors(path);
}

std::shared_ptr<const TensorSource> open_component(const std::vector<std::string>& paths,
                                                   Component component) {
  std::vector<std::shared_ptr<const TensorSource>> sources;
  for (const std::string& path : paths) sources.push_back(open_file(path));
  std::shared_ptr<const TensorSource> source = arrange(sources, component);
  reject_wrong_component(*source, component);
  return source;
}

}  // namespace ovi
