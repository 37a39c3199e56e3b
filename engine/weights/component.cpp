// Each check is a name or a shape that only that kind of file has.
// SPDX-License-Identifier: Apache-2.0
#include "weights/component.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/error.h"

namespace ovi {

namespace {

const char* describe(Component component) {
  switch (component) {
    case Component::kFusion:
      return "Ovi's fused video and audio model (Ovi/model*.safetensors)";
    case Component::kTextEncoder:
      return "the UMT5 text encoder (models_t5_umt5-xxl-enc-bf16.pth)";
    case Component::kVideoVae:
      return "the Wan 2.2 video VAE (Wan2.2_VAE.pth)";
    case Component::kAudioVae:
      return "the MMAudio 16 kHz audio VAE (v1-16.pth)";
    case Component::kVocoder:
      return "the BigVGAN vocoder (best_netG.pt)";
    case Component::kPreviewDecoder:
      return "the small decoder of previews (taew2_2.safetensors)";
  }
  return "another file";
}

class Look {
 public:
  explicit Look(const TensorSource& source) : source_(source) {}

  bool has(const std::string& name) const { return source_.find(name) != nullptr; }
  bool any_begins(std::string_view with) const {
    return any([&](const std::string& name) { return name.starts_with(with); });
  }
  bool any_ends(std::string_view with, size_t rank) const {
    const auto& tensors = source_.tensors();
    return std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& info) {
      return info.name.ends_with(with) && info.shape.size() == rank;
    });
  }
  bool any_contains(std::string_view part) const {
    return any([&](const std::string& name) { return name.find(part) != std::string::npos; });
  }
  size_t rank(const std::string& name) const {
    const TensorInfo* info = source_.find(name);
    return info ? info->shape.size() : 0;
  }
  int64_t size(const std::string& name, size_t dim) const {
    const TensorInfo* info = source_.find(name);
    return info && dim < info->shape.size() ? info->shape[dim] : 0;
  }

 private:
  template <typename Test>
  bool any(Test test) const {
    const auto& tensors = source_.tensors();
    return std::any_of(tensors.begin(), tensors.end(),
                       [&](const TensorInfo& info) { return test(info.name); });
  }

  const TensorSource& source_;
};

std::optional<Component> recognise(const Look& look) {
  if (look.any_begins("video_model.") && look.any_begins("audio_model.")) return Component::kFusion;
  if (look.has("token_embedding.weight") && look.any_contains(".attn.q.weight")) {
    return Component::kTextEncoder;
  }
  if (look.rank("decoder.conv1.weight") == 5) return Component::kVideoVae;
  if (look.rank("decoder.conv_in.weight") == 3) return Component::kAudioVae;
  if (look.any_begins("generator.conv_pre.")) return Component::kVocoder;
  if (look.rank("decoder.1.weight") == 4 || look.rank("decoder.1.conv.0.weight") == 4) {
    return Component::kPreviewDecoder;
  }
  return std::nullopt;
}

/// What a file is that no place here takes; nullptr when nothing is known.
const char* foreign(const Look& look) {
  if (look.any_begins("video_model.") != look.any_begins("audio_model.")) {
    return "is one half of Ovi, split into a video and an audio file";
  }
  if (look.any_ends("patch_embedding.weight", 5) && !look.any_contains(".k_fusion.")) {
    return "is a Wan video model without Ovi's sound";
  }
  if (look.any_contains(".SelfAttention.q.")) {
    return "is a T5 encoder, but not UMT5, which has positions in every block";
  }
  if (look.rank("decoder.conv_in.weight") == 5) {
    return "is a video VAE in the layout of Hugging Face's diffusers";
  }
  constexpr int64_t k44kHzChannels = 40;
  if (look.rank("decoder.conv_in.weight") == 3 &&
      look.size("decoder.conv_in.weight", 1) == k44kHzChannels) {
    return "is MMAudio's VAE for 44.1 kHz (40 latent channels; Ovi has 20)";
  }
  constexpr int64_t kWan21Channels = 16;
  if (look.rank("decoder.conv1.weight") == 5 &&
      look.size("decoder.conv1.weight", 1) == kWan21Channels) {
    return "is the Wan 2.1 video VAE (16 latent channels; Ovi has 48)";
  }
  return nullptr;
}

}  // namespace

void reject_wrong_component(const TensorSource& source, Component expected) {
  const Look look(source);
  std::string what;
  if (const char* other = foreign(look)) {
    what = other;
  } else if (const auto found = recognise(look); found && *found != expected) {
    what = std::string("is ") + describe(*found);
  } else {
    return;
  }
  const char* from = expected == Component::kPreviewDecoder
                         ? " is needed here, as github.com/madebyollin/taehv has it."
                         : " is needed here, as Ovi's download_weights.py fetches it.";
  throw Error(ErrorKind::kFormat,
              "'" + source.path() + "' " + what + "; " + describe(expected) + from);
}

}  // namespace ovi
