// SPDX-License-Identifier: Apache-2.0
#include "quality.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <cmath>
#include <cstdio>
#include <limits>

#include "runtime/error.h"

namespace ovi::bench {
namespace {

void check_same_shape(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type()) return;
  throw Error(ErrorKind::kFailed, "Only clips of one size and format can be compared.",
              c10::str(a.toString(), " ", a.sizes(), " and ", b.toString(), " ", b.sizes()));
}

double decibels(double power, double error) {
  if (error == 0) return std::numeric_limits<double>::infinity();
  return power == 0 ? std::numeric_limits<double>::quiet_NaN() : 10 * std::log10(power / error);
}

}  // namespace

double psnr(const at::Tensor& frames, const at::Tensor& truth) {
  check_same_shape(frames, truth);
  // Frame by frame: a whole clip in float64 would be eight times its size.
  double squared = 0;
  for (int64_t i = 0; i < truth.size(0); ++i) {
    const at::Tensor off = frames[i].to(at::kDouble) - truth[i].to(at::kDouble);
    squared += off.square().sum().item<double>();
  }
  return decibels(255.0 * 255.0, squared / static_cast<double>(truth.numel()));
}

double snr(const at::Tensor& samples, const at::Tensor& truth) {
  check_same_shape(samples, truth);
  const at::Tensor wide = truth.to(at::kDouble);
  return decibels(wide.square().sum().item<double>(),
                  (samples.to(at::kDouble) - wide).square().sum().item<double>());
}

nlohmann::json decibels(double value) {
  if (std::isnan(value)) return "undefined";  // the truth is silent
  if (std::isinf(value)) return nullptr;
  return value;
}

std::string shown(const nlohmann::json& value) {
  if (value.is_null()) return "equal";
  if (value.is_string()) return value.get<std::string>();
  char text[32];
  std::snprintf(text, sizeof text, "%.2f dB", value.get<double>());
  return text;
}

void ClipKeeper::video(int64_t, const at::Tensor& frames) { frames_.push_back(frames.clone()); }

at::Tensor ClipKeeper::frames() const { return at::cat(frames_); }

}  // namespace ovi::bench
