// SPDX-License-Identifier: Apache-2.0
#include "models/bigvgan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv_transpose1d.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "kernels/snake.h"
#include "nn/convolution.h"
#include "nn/limits.h"

namespace ovi {
namespace bigvgan {
namespace {

constexpr int64_t kMelBands = 80;
constexpr int64_t kHop = 256;  // samples a mel frame
constexpr std::array<int64_t, 3> kDilations = {1, 3, 5};
constexpr double kMinBeta = 1e-9;  // added to beta before dividing by it

// The weight of a convolution, its weight norm g * v / |v| (arXiv 1602.07868) folded.
at::Tensor folded_weight(const Weights& weights, const std::vector<int64_t>& expected) {
  const auto fold = [&](const std::string& g_name, const std::string& v_name) {
    const at::Tensor v = weights.get_float(v_name, expected);
    const at::Tensor g = weights.get_float(g_name, {v.size(0), 1, 1});
    const at::Tensor length = at::linalg_vector_norm(v, 2, at::IntArrayRef{1, 2}, true);
    return (v * (g / length)).to(weights.placement().dtype);
  };
  if (weights.has("weight_v")) return fold("weight_g", "weight_v");
  if (weights.has("weight")) return weights.get("weight", expected);
  return fold("parametrizations.weight.original0", "parametrizations.weight.original1");
}

at::Tensor exp_column(const Weights& weights, const std::string& name, int64_t channels) {
  return weights.get_float(name, {channels}).exp().unsqueeze(1);
}

}  // namespace

std::array<double, kFilterTaps> half_band_filter() {
  // Kaiser's formulas (Oppenheim & Schafer, section 7.5) for a transition of 0.3.
  constexpr double cutoff = 0.25, half_width = 0.3, pi = std::numbers::pi;
  constexpr double half = kFilterTaps / 2.0;
  const double attenuation = 2.285 * (half - 1) * pi * 4 * half_width + 7.95;  // dB, above 50
  const double beta = 0.1102 * (attenuation - 8.7);
  std::array<double, kFilterTaps> taps;
  double sum = 0;
  for (int64_t i = 0; i < kFilterTaps; ++i) {
    const double t = i + 0.5 - half;  // never 0: the number of taps is even
    const double r = t / (half - 0.5);
    const double window = std::cyl_bessel_i(0.0, beta * std::sqrt(std::max(0.0, 1 - r * r)));
    taps[i] = window * std::sin(2 * pi * cutoff * t) / t;
    sum += taps[i];
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

AntiAliasedSnake::AntiAliasedSnake(const Weights& weights)
    : alpha_(exp_column(weights, "act.alpha", kAny)),
      inverse_beta_((exp_column(weights, "act.beta", alpha_.size(0)) + kMinBeta).reciprocal()) {}

at::Tensor AntiAliasedSnake::operator()(const at::Tensor& x) const {
  static const std::array<double, kFilterTaps> taps = half_band_filter();
  return kernels::anti_aliased_snake(x, alpha_, inverse_beta_, taps);
}

Conv::Conv(const Weights& weights, int64_t dilation, int64_t out, int64_t in)
    : weight_(folded_weight(weights, {out, in, kAny}).unsqueeze(2)),
      bias_(weights.get("bias", {weight_.size(0)})),
      dilation_(dilation) {}

at::Tensor Conv::operator()(const at::Tensor& x) const {
  const int64_t padding = dilation_ * (weight_.size(3) - 1) / 2;
  return nn::convolve(x.unsqueeze(2), weight_, bias_, {1, 1}, {0, padding}, {1, dilation_})
      .squeeze(2);
}

Upsample::Upsample(const Weights& weights, int64_t in)
    : weight_(folded_weight(weights, {in, kAny, kAny})),
      bias_(weights.get("bias", {weight_.size(1)})) {}

at::Tensor Upsample::operator()(const at::Tensor& x) const {
  const int64_t padding = (weight_.size(2) - rate()) / 2;
  return at::conv_transpose1d(x, weight_, bias_, rate(), padding);
}

AmpBlock::AmpBlock(const Weights& weights, int64_t channels) {
  for (size_t i = 0; i < kDilations.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const auto snake = [&](int64_t j) {
      return AntiAliasedSnake(weights.at("activations").at(2 * index + j));
    };
    layers_.push_back({snake(0),
                       Conv(weights.at("convs1").at(index), kDilations[i], channels, channels),
                       snake(1), Conv(weights.at("convs2").at(index), 1, channels, channels)});
  }
}

at::Tensor AmpBlock::operator()(const at::Tensor& x) const {
  at::Tensor y = x;
  for (const Layer& layer : layers_)
    y = layer.conv(layer.snake2(layer.dilated(layer.snake1(y)))).add_(y);
  return y;
}

}  // namespace bigvgan

namespace {

Weights generator(const Weights& weights) {
  return weights.has_any_below("generator") ? weights.at("generator") : weights;
}

}  // namespace

BigVgan::BigVgan(const Weights& weights)
    : dtype_(weights.placement().dtype),
      device_(weights.placement().device),
      conv_pre_(generator(weights).at("conv_pre"), 1, kAny, bigvgan::kMelBands),
      stages_(load_stages(generator(weights), conv_pre_.out_channels())),
      snake_post_(generator(weights).at("activation_post")),
      conv_post_(generator(weights).at("conv_post"), 1, 1, stages_.back().upsample.out_channels()) {
}

std::vector<BigVgan::Stage> BigVgan::load_stages(const Weights& weights, int64_t channels) {
  const int64_t stage_count = weights.at("ups").count();
  const int64_t block_count = weights.at("resblocks").count();
  std::vector<Stage> stages;
  int64_t hop = 1;
  for (int64_t i = 0; i < stage_count; ++i) {
    Stage stage{bigvgan::Upsample(weights.at("ups").at(i).at(0), channels), {}};
    channels = stage.upsample.out_channels();
    hop *= stage.upsample.rate();
    const int64_t per_stage = block_count / stage_count;
    for (int64_t j = 0; j < per_stage; ++j)
      stage.blocks.emplace_back(weights.at("resblocks").at(i * per_stage + j), channels);
    stages.push_back(std::move(stage));
  }
  if (hop != bigvgan::kHop || block_count == 0 || block_count % stage_count)
    throw Error(ErrorKind::kFormat,
                weights.path() + " is not the 16 kHz BigVGAN vocoder (best_netG.pt): it has " +
                    std::to_string(stage_count) + " upsamplers that make " + std::to_string(hop) +
                    " samples of a mel frame, and " + std::to_string(block_count) +
                    " residual blocks.",
                weights.full_name("ups"));
  return stages;
}

at::Tensor BigVgan::operator()(const at::Tensor& mel, const Cancel* cancel) const {
  if (mel.dim() != 3 || mel.size(0) != 1 || mel.size(1) != bigvgan::kMelBands || mel.size(2) == 0)
    throw Error(ErrorKind::kFailed, "The vocoder takes a mel spectrogram of shape [1, 80, M].",
                "BigVgan: got " + c10::str(mel.sizes()));
  at::Tensor x = conv_pre_(mel.to(device_, dtype_));
  for (const Stage& stage : stages_) {
    const at::Tensor up = stage.upsample(x);
    at::Tensor sum;
    for (const bigvgan::AmpBlock& block : stage.blocks) {
      if (cancel) cancel->check();
      sum = sum.defined() ? sum.add_(block(up)) : block(up);
    }
    x = sum.div_(static_cast<double>(stage.blocks.size()));
  }
  if (cancel) cancel->check();
  x = conv_post_(snake_post_(x)).to(at::kFloat);
  const at::Tensor lost = nn::lost_numbers(x);
  return x.tanh_().add_(lost);
}

}  // namespace ovi
