// Weights of a whole published decoder of previews, by a rule instead of a file of megabytes:
// preview_decode_case.py has the same one, and the names and shapes of TAEHV's own program.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ovi::parity {

/// A vector is in 0..0.25; else uniform, smaller the more inputs there are. float32.
inline at::Tensor hashed(const std::string& name, const std::vector<int64_t>& shape) {
  uint32_t seed = 0x811C9DC5u;
  for (const unsigned char byte : name) seed = (seed ^ byte) * 0x01000193u;
  at::Tensor made = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  double inputs = 1;
  for (size_t i = 1; i < shape.size(); ++i) inputs *= static_cast<double>(shape[i]);
  const double scale = std::sqrt(2.0 / inputs);
  float* to = made.mutable_data_ptr<float>();
  for (int64_t i = 0; i < made.numel(); ++i) {
    uint32_t x = (static_cast<uint32_t>(i) * 0x9E3779B1u) ^ seed;
    x = (x ^ (x >> 15)) * 0x2C1B3C6Du;
    x = (x ^ (x >> 12)) * 0x297A2D39u;
    const double u = static_cast<double>(x ^ (x >> 15)) / 4294967296.0;
    to[i] = static_cast<float>(shape.size() == 1 ? u * 0.25 : (2 * u - 1) * scale);
  }
  return made;
}

/// decoder.* of taew2_2, or of taew2_2_super.
inline std::map<std::string, at::Tensor> hashed_preview_decoder(bool super) {
  std::map<std::string, at::Tensor> made;
  const auto put = [&](const std::string& name, const std::vector<int64_t>& shape) {
    made[name] = hashed(name, shape);
  };
  const auto conv = [&](const std::string& name, const std::vector<int64_t>& shape, bool bias) {
    put(name + ".weight", shape);
    if (bias) put(name + ".bias", {shape[0]});
  };
  const auto layer = [](int64_t n) { return "decoder." + std::to_string(n); };
  const std::array<int64_t, 4> widths =
      super ? std::array<int64_t, 4>{512, 256, 128, 64} : std::array<int64_t, 4>{256, 128, 64, 64};
  const std::array<int64_t, 3> frames = {1, 2, 2};
  if (super) {
    conv(layer(0), {512, 48, 1, 1}, false);
  } else {
    conv(layer(1), {256, 48, 3, 3}, true);
  }
  for (size_t stage = 0; stage < 3; ++stage) {
    const int64_t n = widths[stage], next = widths[stage + 1];
    int64_t at = static_cast<int64_t>(stage) * (super ? 7 : 6) + (super ? 1 : 3);
    for (int64_t block = 0; block < 3; ++block, ++at) {
      const std::string name = layer(at) + ".conv.";
      if (super) {
        conv(name + "0", {2 * n, 1, 7, 7}, false);
        conv(name + "1", {4 * n, 2 * n, 1, 1}, true);
        conv(name + "3", {n, 4 * n, 1, 1}, false);
      } else {
        conv(name + "0", {n, 2 * n, 3, 3}, true);
        conv(name + "2", {n, n, 3, 3}, true);
        conv(name + "4", {n, n, 3, 3}, true);
      }
    }
    if (super) {
      conv(layer(at), {4 * next, n, 3, 3}, true);
      conv(layer(at + 3) + ".conv", {frames[stage] * next, next, 1, 1}, false);
    } else {
      conv(layer(at + 1) + ".conv", {frames[stage] * n, n, 1, 1}, false);
      conv(layer(at + 2), {next, n, 3, 3}, false);
    }
  }
  conv(layer(22), {12, 64, 3, 3}, true);
  return made;
}

}  // namespace ovi::parity
