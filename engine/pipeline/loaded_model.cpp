// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loaded_model.h"

#include <algorithm>
#include <utility>

#include "nn/prepare.h"
#include "runtime/threads.h"
#include "sampling/magnitude_file.h"
#include "weights/component.h"

namespace ovi {
namespace {

std::shared_ptr<const TensorSource> open_part(const std::string& path, Component component) {
  std::shared_ptr<const TensorSource> source = open_tensors(path);
  reject_wrong_component(*source, component);
  return source;
}

int64_t bytes_of(const TensorSource& source) {
  int64_t bytes = 0;
  for (const TensorInfo& tensor : source.tensors()) {
    int64_t count = static_cast<int64_t>(c10::elementSize(tensor.dtype));
    for (const int64_t n : tensor.shape) count *= n;
    bytes += count;
  }
  return bytes;
}

MagnitudeTable magnitudes_of(const ModelFolder& folder) {
  if (!folder.acceleration.empty()) {
    if (auto measured = read_magnitudes(folder.acceleration, folder.spec.name)) return *measured;
  }
  return MagnitudeTable::of_the_backbone();
}

template <typename Part>
void make(std::unique_ptr<Part>& part, const Weights& weights) {
  if (!part) part = std::make_unique<Part>(weights);
}

}  // namespace

FusionOptions fusion_options(const ModelFolder& folder) {
  FusionOptions options;
  options.num_heads = folder.num_heads;
  if (folder.audio_rope_scaling) options.audio_rope_scaling = *folder.audio_rope_scaling;
  return options;
}

ModelSources ModelSources::open(const ModelFolder& folder) {
  return {open_part(folder.fusion, Component::kFusion),
          open_part(folder.text_encoder, Component::kTextEncoder),
          open_part(folder.video_vae, Component::kVideoVae),
          open_part(folder.audio_vae, Component::kAudioVae),
          open_part(folder.vocoder, Component::kVocoder)};
}

LoadedModel::LoadedModel(ModelFolder folder, const c10::Device& device,
                         const Arithmetic& arithmetic)
    : folder_(std::move(folder)),
      device_(device),
      arithmetic_(arithmetic),
      magnitudes_(magnitudes_of(folder_)) {
  wait_politely();
}

const text::Tokenizer& LoadedModel::tokenizer() {
  std::call_once(tokenizer_once_, [this] {
    tokenizer_ = std::make_unique<text::Tokenizer>(folder_.spiece_model);
  });
  return *tokenizer_;
}

void LoadedModel::load(const std::function<void(int64_t done, int64_t total)>& on_bytes,
                       const Cancel* cancel) {
  if (!loaded()) load(ModelSources::open(folder_), on_bytes, cancel);
}

void LoadedModel::load(const ModelSources& sources,
                       const std::function<void(int64_t done, int64_t total)>& on_bytes,
                       const Cancel* cancel) {
  if (loaded()) return;
  int64_t total = 0, done = 0;
  for (const auto& source : {sources.fusion, sources.text_encoder, sources.video_vae,
                             sources.audio_vae, sources.vocoder}) {
    total += bytes_of(*source);
  }
  const auto count = [&](int64_t bytes) {
    done += bytes;
    if (on_bytes) on_bytes(std::min(done, total), total);
    if (cancel) cancel->check();
  };
  nn::prepare(device_, arithmetic_);
  const auto weights = [&](const std::shared_ptr<const TensorSource>& source,
                           const Arithmetic& arithmetic) {
    return Weights(source, {arithmetic.dtype, device_, count, arithmetic.float8_matrices});
  };

  make(text_encoder_, weights(sources.text_encoder, arithmetic_));
  if (!fusion_) {
    fusion_ = std::make_unique<FusionTransformer>(weights(sources.fusion, arithmetic_),
                                                  fusion_options(folder_));
  }
  make(video_encoder_, weights(sources.video_vae, arithmetic_));
  make(video_decoder_, weights(sources.video_vae, arithmetic_));
  // The audio decoder and the vocoder are small and heard: always float32.
  make(audio_decoder_, weights(sources.audio_vae, at::kFloat));
  make(vocoder_, weights(sources.vocoder, at::kFloat));
  if (on_bytes) on_bytes(total, total);
}

}  // namespace ovi
