// How far one clip is from another, in decibels.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/generator.h"

namespace ovi::bench {

/// Peak signal-to-noise ratio of two clips, 10 log10(255^2 / mean squared error) in dB over all
/// their bytes. uint8, of one shape; infinite when they are equal.
double psnr(const at::Tensor& frames, const at::Tensor& truth);

/// Signal-to-noise ratio, 10 log10(sum truth^2 / sum (samples - truth)^2) in dB. Of one
/// shape; infinite when they are equal, NaN where the truth is silent and the other is not.
double snr(const at::Tensor& samples, const at::Tensor& truth);

/// For a report: a number, null where the two are equal, "undefined" where the truth is silent.
nlohmann::json decibels(double value);
/// The same for people: "34.50 dB", "equal", "undefined".
std::string shown(const nlohmann::json& decibels);

/// What a generation makes, kept as it comes.
class ClipKeeper final : public ClipSink {
 public:
  void progress(Stage, int64_t, int64_t, double) override {}
  void audio(const at::Tensor& samples) override { samples_ = samples.clone(); }
  void video(int64_t first, const at::Tensor& frames) override;

  /// [samples], float32 where the request asked for float samples.
  const at::Tensor& samples() const { return samples_; }
  /// uint8 [frames, bytes of a frame].
  at::Tensor frames() const;

 private:
  at::Tensor samples_;
  std::vector<at::Tensor> frames_;
};

}  // namespace ovi::bench
