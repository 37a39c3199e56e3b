// Names and shapes of the five checkpoints, as functions of their sizes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/synthetic.h"

namespace ovi {

struct NamedShape {
  std::string name;
  std::vector<int64_t> shape;
};

std::vector<NamedShape> fusion_layout(const SyntheticSize::Fusion& size);
std::vector<NamedShape> text_encoder_layout(const SyntheticSize::TextEncoder& size);
std::vector<NamedShape> video_vae_layout(const SyntheticSize::VideoVae& size);
std::vector<NamedShape> audio_vae_layout(const SyntheticSize::AudioVae& size);
std::vector<NamedShape> vocoder_layout(const SyntheticSize::Vocoder& size);

}  // namespace ovi
