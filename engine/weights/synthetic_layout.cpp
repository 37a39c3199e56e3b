// One function a checkpoint, one helper a building block.
// SPDX-License-Identifier: Apache-2.0
#include "weights/synthetic_layout.h"

#include <utility>

namespace ovi {

namespace {

using Shape = std::vector<int64_t>;

class Layout {
 public:
  void tensor(const std::string& name, Shape shape) { list_.push_back({name, std::move(shape)}); }
  /// A weight, and a bias of its first extent.
  void affine(const std::string& name, Shape shape) {
    const int64_t out = shape[0];
    tensor(name + ".weight", std::move(shape));
    tensor(name + ".bias", {out});
  }
  std::vector<NamedShape> take() { return std::move(list_); }

 private:
  std::vector<NamedShape> list_;
};

std::string numbered(const std::string& name, int64_t index) {
  return name + "." + std::to_string(index);
}

void fusion_block(Layout& to, const std::string& block, int64_t dim, int64_t ffn) {
  for (const char* attention : {".self_attn", ".cross_attn"}) {
    const std::string name = block + attention;
    for (const char* projection : {".q", ".k", ".v", ".o"})
      to.affine(name + projection, {dim, dim});
    to.tensor(name + ".norm_q.weight", {dim});
    to.tensor(name + ".norm_k.weight", {dim});
  }
  const std::string cross = block + ".cross_attn";
  to.affine(cross + ".k_fusion", {dim, dim});
  to.affine(cross + ".v_fusion", {dim, dim});
  to.affine(cross + ".pre_attn_norm_fusion", {dim});
  to.tensor(cross + ".norm_k_fusion.weight", {dim});
  to.affine(block + ".norm3", {dim});
  to.affine(block + ".ffn.0", {ffn, dim});
  to.affine(block + ".ffn.2", {dim, ffn});
  to.tensor(block + ".modulation.modulation", {1, 6, dim});
}

void fusion_stream(Layout& to, const std::string& model, const SyntheticSize::Fusion& size,
                   int64_t head_out) {
  to.affine(model + ".text_embedding.0", {size.dim, size.text_dim});
  to.affine(model + ".text_embedding.2", {size.dim, size.dim});
  to.affine(model + ".time_embedding.0", {size.dim, size.frequency_dim});
  to.affine(model + ".time_embedding.2", {size.dim, size.dim});
  to.affine(model + ".time_projection.1", {6 * size.dim, size.dim});
  for (int64_t i = 0; i < size.layers; ++i) {
    fusion_block(to, numbered(model + ".blocks", i), size.dim, size.ffn);
  }
  to.affine(model + ".head.head", {head_out, size.dim});
  to.tensor(model + ".head.modulation", {1, 2, size.dim});
}

// Video VAE.

void vae_residual(Layout& to, const std::string& name, int64_t in, int64_t out) {
  to.tensor(name + ".residual.0.gamma", {in, 1, 1, 1});
  to.affine(name + ".residual.2", {out, in, 3, 3, 3});
  to.tensor(name + ".residual.3.gamma", {out, 1, 1, 1});
  to.affine(name + ".residual.6", {out, out, 3, 3, 3});
  if (in != out) to.affine(name + ".shortcut", {out, in, 1, 1, 1});
}

void vae_middle(Layout& to, const std::string& name, int64_t dim) {
  vae_residual(to, name + ".0", dim, dim);
  to.tensor(name + ".1.norm.gamma", {dim, 1, 1});
  to.affine(name + ".1.to_qkv", {3 * dim, dim, 1, 1});
  to.affine(name + ".1.proj", {dim, dim, 1, 1});
  vae_residual(to, name + ".2", dim, dim);
}

void vae_head(Layout& to, const std::string& name, int64_t in, int64_t out) {
  to.tensor(name + ".0.gamma", {in, 1, 1, 1});
  to.affine(name + ".2", {out, in, 3, 3, 3});
}

constexpr int64_t kMultiples[] = {1, 2, 4, 4};  // of the VAE's dim, stage by stage
constexpr int kStages = 4;
constexpr int64_t kPatchedRgb = 3 * 2 * 2;
constexpr bool kHalvesTime[] = {false, true, true};  // after encoder stages 0, 1, 2

void vae_encoder(Layout& to, int64_t dim, int64_t channels) {
  to.affine("encoder.conv1", {dim, kPatchedRgb, 3, 3, 3});
  int64_t in = dim;
  for (int stage = 0; stage < kStages; ++stage) {
    const std::string name = numbered("encoder.downsamples", stage) + ".downsamples";
    const int64_t out = dim * kMultiples[stage];
    vae_residual(to, name + ".0", in, out);
    vae_residual(to, name + ".1", out, out);
    if (stage + 1 < kStages) {
      to.affine(name + ".2.resample.1", {out, out, 3, 3});
      if (kHalvesTime[stage]) to.affine(name + ".2.time_conv", {out, out, 3, 1, 1});
    }
    in = out;
  }
  vae_middle(to, "encoder.middle", in);
  vae_head(to, "encoder.head", in, 2 * channels);
}

void vae_decoder(Layout& to, int64_t dim, int64_t channels) {
  int64_t in = dim * kMultiples[kStages - 1];
  to.affine("decoder.conv1", {in, channels, 3, 3, 3});
  vae_middle(to, "decoder.middle", in);
  for (int stage = 0; stage < kStages; ++stage) {
    const std::string name = numbered("decoder.upsamples", stage) + ".upsamples";
    const int64_t out = dim * kMultiples[kStages - 1 - stage];
    vae_residual(to, name + ".0", in, out);
    vae_residual(to, name + ".1", out, out);
    vae_residual(to, name + ".2", out, out);
    if (stage + 1 < kStages) {
      to.affine(name + ".3.resample.1", {out, out, 3, 3});
      const bool doubles_time = kHalvesTime[kStages - 2 - stage];
      if (doubles_time) to.affine(name + ".3.time_conv", {2 * out, out, 3, 1, 1});
    }
    in = out;
  }
  vae_head(to, "decoder.head", in, kPatchedRgb);
}

// Audio VAE.

void mp_residual(Layout& to, const std::string& name, int64_t in, int64_t out) {
  to.tensor(name + ".conv1.weight", {out, in, 3});
  to.tensor(name + ".conv2.weight", {out, out, 3});
  if (in != out) to.tensor(name + ".nin_shortcut.weight", {out, in, 1});
}

void mp_middle(Layout& to, const std::string& name, int64_t dim) {
  mp_residual(to, name + ".block_1", dim, dim);
  to.tensor(name + ".attn_1.qkv.weight", {3 * dim, dim, 1});
  to.tensor(name + ".attn_1.proj_out.weight", {dim, dim, 1});
  mp_residual(to, name + ".block_2", dim, dim);
}

// Vocoder.

/// A convolution under weight norm: magnitude, direction, bias.
void weight_normed(Layout& to, const std::string& name, Shape shape, int64_t bias) {
  to.tensor(name + ".bias", {bias});
  to.tensor(name + ".parametrizations.weight.original0", {shape[0], 1, 1});
  to.tensor(name + ".parametrizations.weight.original1", std::move(shape));
}

void anti_aliased(Layout& to, const std::string& name, int64_t channels) {
  constexpr int64_t kTaps = 12;
  to.tensor(name + ".act.alpha", {channels});
  to.tensor(name + ".act.beta", {channels});
  to.tensor(name + ".upsample.filter", {1, 1, kTaps});
  to.tensor(name + ".downsample.lowpass.filter", {1, 1, kTaps});
}

}  // namespace

std::vector<NamedShape> fusion_layout(const SyntheticSize::Fusion& size) {
  Layout to;
  to.affine("video_model.patch_embedding", {size.dim, size.video_channels, 1, 2, 2});
  fusion_stream(to, "video_model", size, size.video_channels * 2 * 2);

  // A gated ffn of 4 dim, cut by a third for its third matrix, in steps of 256.
  constexpr int64_t kStep = 256;
  const int64_t hidden = (4 * size.dim * 2 / 3 + kStep - 1) / kStep * kStep;
  to.affine("audio_model.patch_embedding.0", {size.dim, size.audio_channels, 7});
  to.tensor("audio_model.patch_embedding.2.w1.weight", {hidden, size.dim, 7});
  to.tensor("audio_model.patch_embedding.2.w2.weight", {size.dim, hidden, 7});
  to.tensor("audio_model.patch_embedding.2.w3.weight", {hidden, size.dim, 7});
  fusion_stream(to, "audio_model", size, size.audio_channels);
  return to.take();
}

std::vector<NamedShape> text_encoder_layout(const SyntheticSize::TextEncoder& size) {
  Layout to;
  to.tensor("token_embedding.weight", {size.vocabulary, size.dim});
  for (int64_t i = 0; i < size.layers; ++i) {
    const std::string block = numbered("blocks", i);
    to.tensor(block + ".norm1.weight", {size.dim});
    for (const char* projection : {"q", "k", "v", "o"}) {
      to.tensor(block + ".attn." + projection + ".weight", {size.dim, size.dim});
    }
    to.tensor(block + ".norm2.weight", {size.dim});
    to.tensor(block + ".ffn.gate.0.weight", {size.ffn, size.dim});
    to.tensor(block + ".ffn.fc1.weight", {size.ffn, size.dim});
    to.tensor(block + ".ffn.fc2.weight", {size.dim, size.ffn});
    to.tensor(block + ".pos_embedding.embedding.weight", {size.buckets, size.heads});
  }
  to.tensor("norm.weight", {size.dim});
  return to.take();
}

std::vector<NamedShape> video_vae_layout(const SyntheticSize::VideoVae& size) {
  Layout to;
  vae_encoder(to, size.encoder_dim, size.channels);
  to.affine("conv1", {2 * size.channels, 2 * size.channels, 1, 1, 1});
  to.affine("conv2", {size.channels, size.channels, 1, 1, 1});
  vae_decoder(to, size.decoder_dim, size.channels);
  return to.take();
}

std::vector<NamedShape> audio_vae_layout(const SyntheticSize::AudioVae& size) {
  const int64_t dims[] = {size.dim, 2 * size.dim, 4 * size.dim};
  Layout to;
  to.tensor("data_mean", {1, size.mel_bands, 1});
  to.tensor("data_std", {1, size.mel_bands, 1});

  to.tensor("encoder.learnable_gain", {});
  to.tensor("encoder.conv_in.weight", {size.dim, size.mel_bands, 3});
  int64_t in = size.dim;
  for (int level = 0; level < 3; ++level) {
    const std::string name = numbered("encoder.down", level);
    mp_residual(to, name + ".block.0", in, dims[level]);
    mp_residual(to, name + ".block.1", dims[level], dims[level]);
    in = dims[level];
    if (level == 0) {  // the only change of length
      to.tensor(name + ".downsample.conv1.weight", {in, in, 1});
      to.tensor(name + ".downsample.conv2.weight", {in, in, 1});
    }
  }
  mp_middle(to, "encoder.mid", in);
  to.tensor("encoder.conv_out.weight", {2 * size.channels, in, 3});

  to.tensor("decoder.learnable_gain", {});
  to.tensor("decoder.conv_in.weight", {in, size.channels, 3});
  mp_middle(to, "decoder.mid", in);
  for (int level = 2; level >= 0; --level) {
    const std::string name = numbered("decoder.up", level);
    mp_residual(to, name + ".block.0", in, dims[level]);
    mp_residual(to, name + ".block.1", dims[level], dims[level]);
    mp_residual(to, name + ".block.2", dims[level], dims[level]);
    in = dims[level];
    if (level == 1) to.tensor(name + ".upsample.conv.weight", {in, in, 3});
  }
  to.tensor("decoder.conv_out.weight", {size.mel_bands, in, 3});
  return to.take();
}

std::vector<NamedShape> vocoder_layout(const SyntheticSize::Vocoder& size) {
  constexpr int64_t kUpKernels[] = {8, 8, 4, 4, 4, 4};
  constexpr int64_t kBlockKernels[] = {3, 7, 11};
  constexpr int kDilations = 3;
  Layout to;
  weight_normed(to, "generator.conv_pre", {size.channels, size.mel_bands, 7}, size.channels);
  int64_t in = size.channels;
  int64_t block = 0;
  for (int stage = 0; stage < 6; ++stage) {
    const int64_t out = in / 2;
    // A transposed convolution: [in, out, kernel].
    weight_normed(to, numbered("generator.ups", stage) + ".0", {in, out, kUpKernels[stage]}, out);
    for (const int64_t kernel : kBlockKernels) {
      const std::string name = numbered("generator.resblocks", block++);
      for (const char* convolutions : {".convs1", ".convs2"}) {
        for (int i = 0; i < kDilations; ++i) {
          weight_normed(to, numbered(name + convolutions, i), {out, out, kernel}, out);
        }
      }
      for (int i = 0; i < 2 * kDilations; ++i)
        anti_aliased(to, numbered(name + ".activations", i), out);
    }
    in = out;
  }
  anti_aliased(to, "generator.activation_post", in);
  weight_normed(to, "generator.conv_post", {1, in, 7}, 1);
  return to.take();
}

}  // namespace ovi
