// Counts how often each tensor of a file is read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "passing_source.h"
#include "pipeline/loaded_model.h"

namespace ovi::test {

class CountedSource final : public PassingSource {
 public:
  using PassingSource::PassingSource;
  at::Tensor view(const std::string& name) const override {
    at::Tensor tensor = PassingSource::view(name);
    count(name, tensor.numel());
    return tensor;
  }
  void read(const std::string& name, int64_t first, at::Tensor to) const override {
    count(name, to.numel());
    PassingSource::read(name, first, std::move(to));
  }
  /// Elements.
  int64_t read_of(const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return read_[name];
  }

 private:
  void count(const std::string& name, int64_t elements) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    read_[name] += elements;
  }

  mutable std::mutex mutex_;
  mutable std::map<std::string, int64_t> read_;
};

/// The tensors of the video decoder that were read more or less than once while the model in
/// `folder` was brought to `device` in bfloat16, and how often.
inline std::vector<std::string> read_otherwise_than_once(const ModelFolder& folder,
                                                         const c10::Device& device) {
  LoadedModel model(folder, device, at::kBFloat16, Memory::kResident);
  ModelSources sources = ModelSources::open(folder);
  const auto counted = std::make_shared<const CountedSource>(sources.video_vae);
  sources.video_vae = counted;
  model.set_sources(std::move(sources), /*made_up=*/false);
  Reading reading;
  model.prepare({2, 4, 4, 8}, reading);
  model.video_decoder(reading);  // kept: nothing is read for it
  std::vector<std::string> others;
  for (const WeightSpec& tensor : model.manifests().video_decoder.tensors) {
    if (tensor.use == WeightSpec::Use::kDerived) continue;
    const int64_t read = counted->read_of(tensor.name);
    if (read != tensor.count()) {
      others.push_back(tensor.name + ": " + std::to_string(read) + " of " +
                       std::to_string(tensor.count()));
    }
  }
  return others;
}

}  // namespace ovi::test
