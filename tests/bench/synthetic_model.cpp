// SPDX-License-Identifier: Apache-2.0
#include "synthetic_model.h"

#include "runtime/error.h"
#include "weights/synthetic.h"

namespace ovi::bench {
namespace {

Variant variant_of(const std::string& name) {
  for (const Variant variant :
       {Variant::k720x720_5s, Variant::k960x960_5s, Variant::k960x960_10s}) {
    if (published_spec(variant).name == name) return variant;
  }
  throw Error(ErrorKind::kSettings, "Unknown variant \"" + name +
                                        "\"; use 720x720_5s, 960x960_5s or 960x960_10s.");
}

}  // namespace

SyntheticModel synthetic_model(const std::string& variant,
                               const std::map<std::string, int64_t>& size) {
  SyntheticModel made;
  made.folder.variant = variant_of(variant);
  made.folder.spec = published_spec(made.folder.variant);
  made.folder.spiece_model = OVI_BENCH_SPIECE_MODEL;
  SyntheticSize s;
  int64_t heads = 0;
  const std::map<std::string, int64_t*> keys = {
      {"layers", &s.fusion.layers},
      {"dim", &s.fusion.dim},
      {"ffn", &s.fusion.ffn},
      {"heads", &heads},
      {"text-layers", &s.text.layers},
      {"text-dim", &s.text.dim},
      {"text-ffn", &s.text.ffn},
      {"text-heads", &s.text.heads},
      {"vae-encoder-dim", &s.video_vae.encoder_dim},
      {"vae-decoder-dim", &s.video_vae.decoder_dim},
      {"audio-vae-dim", &s.audio_vae.dim},
      {"vocoder-channels", &s.vocoder.channels},
      {"area", &made.folder.spec.area},
      {"video-latents", &made.folder.spec.video_latents},
      {"audio-latents", &made.folder.spec.audio_latents},
  };
  for (const auto& [key, value] : size) {
    const auto known = keys.find(key);
    if (known == keys.end()) {
      throw Error(ErrorKind::kSettings, "Unknown --size key \"" + key + "\"; see --help.");
    }
    *known->second = value;
  }
  if (heads > 0) made.folder.num_heads = heads;
  s.fusion.text_dim = s.text.dim;
  made.sources = {synthetic_fusion(s), synthetic_text_encoder(s), synthetic_video_vae(s),
                  synthetic_audio_vae(s), synthetic_vocoder(s)};
  return made;
}

}  // namespace ovi::bench
