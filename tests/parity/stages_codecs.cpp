// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>

#include "../engine/memory_source.h"
#include "hashed_weights.h"
#include "model_files.h"
#include "models/audio_vae.h"
#include "models/bigvgan.h"
#include "models/tiny_video_decoder.h"
#include "models/video_vae.h"
#include "stages.h"

namespace ovi::parity {

void run_video_vae_encode(Case& c) {
  const VideoVaeEncoder encoder(open_part(c, Component::kVideoVae));
  c.check("latents", encoder.encode(c.placed_input("image")));
}

void run_video_vae_decode(Case& c) {
  const VideoVaeDecoder decoder(open_part(c, Component::kVideoVae));
  std::vector<at::Tensor> frames;
  for (auto stream = decoder.start(c.placed_input("latents")); !stream.done();) {
    frames.push_back(stream.next());
  }
  c.check("video", at::cat(frames, 2));
}

// As in the generator, sound and previews are made in float32 whatever the rest computes in.

void run_audio_vae_decode(Case& c) {
  const AudioVaeDecoder decoder(open_part(c, Component::kAudioVae, at::kFloat));
  c.check("mel", decoder.decode(c.placed_input("latents").to(at::kFloat)));
}

void run_vocoder(Case& c) {
  const BigVgan vocoder(open_part(c, Component::kVocoder, at::kFloat));
  c.check("audio", vocoder(c.placed_input("mel").to(at::kFloat)));
}

void run_preview_decode(Case& c) {
  const auto weights = std::make_shared<test::MemorySource>(
      hashed_preview_decoder(c.args().at("super").get<bool>()));
  const TinyVideoDecoder decoder(Weights(weights, {at::kFloat, c.options().device, {}}));
  c.check("picture", decoder.decode(c.input("latents")));
}

}  // namespace ovi::parity
