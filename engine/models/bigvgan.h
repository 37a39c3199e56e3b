// BigVGAN vocoder (best_netG.pt), mel spectrogram to 16 kHz sound.
// Reference: Lee et al., arXiv 2206.04658.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "runtime/cancel.h"
#include "weights/weights.h"

namespace ovi {

namespace bigvgan {

inline constexpr int64_t kFilterTaps = 12;

/// Low-pass filter for sampling rates times or over two: a sinc with its cut-off at
/// a quarter of the higher rate under a Kaiser window, sum 1, symmetric.
std::array<double, kFilterTaps> half_band_filter();

/// x + sin^2(alpha x) / beta (SnakeBeta), computed at twice the sampling rate so that
/// the harmonics it adds do not fold back (section 3.2 of the paper).
class AntiAliasedSnake {
 public:
  /// Takes `act.alpha` and `act.beta`, [C], natural logarithms. The filters that a
  /// file may hold are those of half_band_filter() and are not read.
  explicit AntiAliasedSnake(const Weights& weights);

  /// [1, C, T] -> same shape and dtype. Computed in float32: rounded filter taps
  /// would let through what they are there to stop.
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor alpha_, inverse_beta_;  // [C, 1], float32
};

/// A convolution over time that keeps the length. Weight norm is folded at load.
class Conv {
 public:
  explicit Conv(const Weights& weights, int64_t dilation = 1, int64_t out = kAny,
                int64_t in = kAny);

  /// [1, in, T] -> [1, out, T]
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t in_channels() const { return weight_.size(1); }
  int64_t out_channels() const { return weight_.size(0); }

 private:
  at::Tensor weight_, bias_;  // [out, in, 1, k], [out]
  int64_t dilation_;
};

/// A transposed convolution whose rate is half its kernel. Weight norm is folded at load.
class Upsample {
 public:
  explicit Upsample(const Weights& weights, int64_t in);

  /// [1, in, T] -> [1, out, rate T]
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t rate() const { return weight_.size(2) / 2; }
  int64_t out_channels() const { return weight_.size(1); }

 private:
  at::Tensor weight_, bias_;  // [in, out, k], [out]
};

/// Anti-aliased multi-periodicity block: three times
/// x += conv(snake(dilated conv(snake(x)))), with dilations 1, 3, 5.
class AmpBlock {
 public:
  AmpBlock(const Weights& weights, int64_t channels);

  /// [1, C, T] -> same
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  struct Layer {
    AntiAliasedSnake snake1;
    Conv dilated;
    AntiAliasedSnake snake2;
    Conv conv;
  };
  std::vector<Layer> layers_;
};

}  // namespace bigvgan

class BigVgan {
 public:
  /// Takes `conv_pre`, `ups`, `resblocks`, `activation_post` and `conv_post`, at the
  /// top of the file or below `generator`. Weights may be normalised ones
  /// (`parametrizations.weight.original0|1` or `weight_g|v`) or plain. Throws
  /// Error(kFormat) when a tensor is missing or the rates do not multiply to 256.
  explicit BigVgan(const Weights& weights);

  /// mel [1, 80, M] (natural logarithms) -> sound [1, 1, 256 M], float32, -1..1.
  /// `cancel` (may be null) is polled once a block; throws Error(kCancelled).
  at::Tensor operator()(const at::Tensor& mel, const Cancel* cancel = nullptr) const;

 private:
  struct Stage {
    bigvgan::Upsample upsample;
    std::vector<bigvgan::AmpBlock> blocks;  // their outputs are averaged
  };
  static std::vector<Stage> load_stages(const Weights& weights, int64_t channels);

  at::ScalarType dtype_;
  c10::Device device_;
  bigvgan::Conv conv_pre_;
  std::vector<Stage> stages_;
  bigvgan::AntiAliasedSnake snake_post_;
  bigvgan::Conv conv_post_;
};

}  // namespace ovi
