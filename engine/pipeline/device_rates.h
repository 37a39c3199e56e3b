// How fast a device computes what a clip is made of: measured, in a few seconds at most.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

#include "runtime/cancel.h"
#include "runtime/device.h"

namespace ovi {

/// The shapes that are tried: a model's own widths. How many rows there are is cut to what a try
/// has time for.
struct ProbeShapes {
  int64_t dim = 3072, ffn = 14336, tokens = 4096;
  int64_t frame_channels = 256;    ///< of the decoder's largest stage
  int64_t picture_channels = 320;  ///< of the encoder's
  int64_t sound_channels = 192;    ///< of the vocoder's
  at::ScalarType decode = at::kFloat;
};

/// Operations a second (a multiplication and an addition are two), and bytes.
struct DeviceRates {
  double matmul = 0, attention = 0, bytes = 0;
  double frame_convolution = 0;                           ///< over time and space, as decoded
  double picture_convolution = 0, sound_convolution = 0;  ///< in float32
  double seconds = 0;                                     ///< that the probe took
};

/// Needs nn::prepare() before it. The mean of some tries of each, after one that does not count.
DeviceRates measure_rates(const c10::Device& device, const Arithmetic& arithmetic,
                          const ProbeShapes& shapes, const Cancel* cancel);

}  // namespace ovi
