// SPDX-License-Identifier: Apache-2.0
#include "models/audio_vae.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <cmath>
#include <string>

#include "nn/convolution.h"
#include "nn/limits.h"

namespace ovi {
namespace audio_vae {
namespace {

constexpr int64_t kMelBands = 80;
constexpr int64_t kLengthFactor = 2;   // mel frames a latent
constexpr double kEps = 1e-4;          // arXiv 2312.02696, algorithm 1
constexpr double kSiluScale = 0.596;   // root mean square of silu of a unit normal
constexpr double kBranchWeight = 0.3;  // t of mp_sum
constexpr double kClamp = 256.0;       // keeps half precision from overflowing

// Means and deviations of the 80 log-mel bands over MMAudio's training set, for a file that
// does not bring its own.
constexpr std::array<float, kMelBands> kMelMean = {
    -1.6058f, -1.3676f, -1.2520f, -1.2453f, -1.2078f, -1.2224f, -1.2419f, -1.2439f, -1.2922f,
    -1.2927f, -1.3170f, -1.3543f, -1.3401f, -1.3836f, -1.3907f, -1.3912f, -1.4313f, -1.4152f,
    -1.4527f, -1.4728f, -1.4568f, -1.5101f, -1.5051f, -1.5172f, -1.5623f, -1.5373f, -1.5746f,
    -1.5687f, -1.6032f, -1.6131f, -1.6081f, -1.6331f, -1.6489f, -1.6489f, -1.6700f, -1.6738f,
    -1.6953f, -1.6969f, -1.7048f, -1.7280f, -1.7361f, -1.7495f, -1.7658f, -1.7814f, -1.7889f,
    -1.8064f, -1.8221f, -1.8377f, -1.8417f, -1.8643f, -1.8857f, -1.8929f, -1.9173f, -1.9379f,
    -1.9531f, -1.9673f, -1.9824f, -2.0042f, -2.0215f, -2.0436f, -2.0766f, -2.1064f, -2.1418f,
    -2.1855f, -2.2319f, -2.2767f, -2.3161f, -2.3572f, -2.3954f, -2.4282f, -2.4659f, -2.5072f,
    -2.5552f, -2.6074f, -2.6584f, -2.7107f, -2.7634f, -2.8266f, -2.8981f, -2.9673f,
};
constexpr std::array<float, kMelBands> kMelStd = {
    1.0291f, 1.0411f, 1.0043f, 0.9820f, 0.9677f, 0.9543f, 0.9450f, 0.9392f, 0.9343f, 0.9297f,
    0.9276f, 0.9263f, 0.9242f, 0.9254f, 0.9232f, 0.9281f, 0.9263f, 0.9315f, 0.9274f, 0.9247f,
    0.9277f, 0.9199f, 0.9188f, 0.9194f, 0.9160f, 0.9161f, 0.9146f, 0.9161f, 0.9100f, 0.9095f,
    0.9145f, 0.9076f, 0.9066f, 0.9095f, 0.9032f, 0.9043f, 0.9038f, 0.9011f, 0.9019f, 0.9010f,
    0.8984f, 0.8983f, 0.8986f, 0.8961f, 0.8962f, 0.8978f, 0.8962f, 0.8973f, 0.8993f, 0.8976f,
    0.8995f, 0.9016f, 0.8982f, 0.8972f, 0.8974f, 0.8949f, 0.8940f, 0.8947f, 0.8936f, 0.8939f,
    0.8951f, 0.8956f, 0.9017f, 0.9167f, 0.9436f, 0.9690f, 1.0003f, 1.0225f, 1.0381f, 1.0491f,
    1.0545f, 1.0604f, 1.0761f, 1.0929f, 1.1089f, 1.1196f, 1.1176f, 1.1156f, 1.1117f, 1.1070f,
};

// One of the tables that undo the training's normalisation, [1, 80, 1]: the file's, else the
// published one.
at::Tensor band_table(const Weights& weights, const std::string& name,
                      const std::array<float, kMelBands>& published) {
  if (weights.has(name)) return weights.get_float(name, {1, kMelBands, 1});
  return at::tensor(at::ArrayRef<float>(published.data(), published.size()), at::kFloat)
      .to(weights.placement().device)
      .view({1, kMelBands, 1});
}

// x over its root mean square along `dims`: pixel norm over the channels of an
// activation, forced weight normalisation (equation 66) over all but a weight's first.
at::Tensor normalise(const at::Tensor& x, at::IntArrayRef dims) {
  double count = 1;
  for (const int64_t dim : dims) count *= static_cast<double>(x.size(dim));
  const at::Tensor rms =
      at::linalg_vector_norm(x, 2, dims, /*keepdim=*/true, at::kFloat).mul_(1 / std::sqrt(count));
  return x / rms.add_(kEps).to(x.scalar_type());
}

// Equation 81.
at::Tensor mp_silu(const at::Tensor& x) { return at::silu(x).div_(kSiluScale); }

// Equation 88: a and b mixed so that unit variance stays.
at::Tensor mp_sum(const at::Tensor& a, const at::Tensor& b) {
  constexpr double t = kBranchWeight;
  return at::lerp(a, b, t).mul_(1 / std::sqrt((1 - t) * (1 - t) + t * t));
}

std::vector<Level> load_levels(const Weights& weights) {
  std::vector<Level> levels;
  int64_t factor = 1;
  for (int64_t i = 0; i < weights.count(); ++i) {
    levels.emplace_back(weights.at(i));
    if (levels.back().upsample.defined()) factor *= 2;
  }
  if (factor != kLengthFactor)
    throw Error(ErrorKind::kFormat,
                weights.path() + " is not MMAudio's 16 kHz audio VAE (v1-16.pth): it makes " +
                    std::to_string(factor) + " mel frames of one latent, not 2.",
                weights.full_name("*"));
  return levels;
}

}  // namespace

MpConv::MpConv(const Weights& weights, int64_t out, int64_t in, const at::Tensor& gain) {
  const at::Tensor weight = weights.get_float("weight", {out, in, weights.shape("weight", 3)[2]});
  const double fan_in = static_cast<double>(weight.size(1) * weight.size(2));
  at::Tensor unit = normalise(weight, {1, 2}).div_(std::sqrt(fan_in));
  if (gain.defined()) unit.mul_(gain);
  weight_ = unit.unsqueeze(2).to(weights.placement().dtype);
}

at::Tensor MpConv::operator()(const at::Tensor& x) const {
  return nn::convolve(x.unsqueeze(2), weight_, {}, {1, 1}, {0, weight_.size(3) / 2}, {1, 1})
      .squeeze(2);
}

ResnetBlock::ResnetBlock(const Weights& weights)
    : conv1_(weights.at("conv1")), conv2_(weights.at("conv2"), kAny, conv1_.out_channels()) {
  if (conv1_.in_channels() != conv2_.out_channels())
    shortcut_ = MpConv(weights.at("nin_shortcut"), conv2_.out_channels(), conv1_.in_channels());
}

at::Tensor ResnetBlock::operator()(const at::Tensor& x) const {
  const at::Tensor normed = normalise(x, {1});
  const at::Tensor y = conv2_(mp_silu(conv1_(mp_silu(normed))));
  return mp_sum(shortcut_.defined() ? shortcut_(normed) : normed, y);
}

Attention::Attention(const Weights& weights)
    : proj_out_(weights.at("proj_out")),
      qkv_(weights.at("qkv"), 3 * proj_out_.in_channels(), proj_out_.out_channels()) {}

at::Tensor Attention::operator()(const at::Tensor& x) const {
  const int64_t channels = x.size(1), length = x.size(2);
  // Channels hold q, k, v of each feature side by side: [1, C, 3, L], unit norm over C.
  const at::Tensor qkv = normalise(qkv_(x).view({1, channels, 3, length}), {1});
  const auto heads = [&](int64_t i) { return qkv.select(2, i).transpose(1, 2).unsqueeze(1); };
  const at::Tensor attended = at::scaled_dot_product_attention(heads(0), heads(1), heads(2));
  return mp_sum(x, proj_out_(attended.squeeze(1).transpose(1, 2)));
}

Level::Level(const Weights& weights) {
  const Weights parts = weights.at("block");
  const int64_t count = parts.count();
  for (int64_t i = 0; i < count; ++i) blocks.emplace_back(parts.at(i));
  if (blocks.empty()) parts.get("0.conv1.weight", {kAny, kAny, 3});  // names what is missing
  if (weights.has_any_below("upsample")) {
    const int64_t channels = blocks.back().out_channels();
    upsample = MpConv(weights.at("upsample.conv"), channels, channels);
  }
}

}  // namespace audio_vae

AudioVaeDecoder::AudioVaeDecoder(const Weights& weights)
    : conv_in_(weights.at("decoder.conv_in")),
      middle1_(weights.at("decoder.mid.block_1")),
      attention_(weights.at("decoder.mid.attn_1")),
      middle2_(weights.at("decoder.mid.block_2")),
      levels_(audio_vae::load_levels(weights.at("decoder.up"))),
      conv_out_(weights.at("decoder.conv_out"), audio_vae::kMelBands,
                levels_.front().blocks.back().out_channels(),
                weights.get_float("decoder.learnable_gain", {}) + 1),
      mel_mean_(audio_vae::band_table(weights, "data_mean", audio_vae::kMelMean)),
      mel_std_(audio_vae::band_table(weights, "data_std", audio_vae::kMelStd)),
      dtype_(weights.placement().dtype),
      device_(weights.placement().device) {}

at::Tensor AudioVaeDecoder::decode(const at::Tensor& latents, const Cancel* cancel) const {
  using audio_vae::kClamp;
  if (latents.dim() != 3 || latents.size(0) != 1 || latents.size(1) != conv_in_.in_channels() ||
      latents.size(2) == 0)
    throw Error(ErrorKind::kFailed,
                "The audio VAE decodes latents of shape [1, " +
                    std::to_string(conv_in_.in_channels()) + ", L].",
                "AudioVaeDecoder::decode: got " + c10::str(latents.sizes()));
  at::Tensor x = conv_in_(latents.to(device_, dtype_));
  if (cancel) cancel->check();
  x = nn::clamp_numbers_(middle2_(attention_(middle1_(x))), kClamp);
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    for (const audio_vae::ResnetBlock& block : level->blocks) {
      if (cancel) cancel->check();
      x = nn::clamp_numbers_(block(x), kClamp);
    }
    if (level->upsample.defined()) {
      // Each position twice.
      const at::Tensor twice =
          x.unsqueeze(3).expand({-1, -1, -1, 2}).reshape({x.size(0), x.size(1), 2 * x.size(2)});
      x = level->upsample(twice);
    }
  }
  return conv_out_(audio_vae::mp_silu(x)).to(at::kFloat).mul_(mel_std_).add_(mel_mean_);
}

}  // namespace ovi
