// NaN and Inf between the stages: found without waiting, named by stage and tensor.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>

#include "runtime/device.h"
#include "runtime/error.h"
#include "weights/tensor_source.h"

namespace ovi {

/// Who uses which weights, as errors name them.
namespace stage_names {
inline constexpr char kText[] = "the text encoder";
inline constexpr char kImage[] = "the video VAE's encoder";
inline constexpr char kDenoise[] = "the denoising";
inline constexpr char kAudio[] = "the audio VAE";
inline constexpr char kVocoder[] = "the vocoder";
inline constexpr char kVideo[] = "the video VAE's decoder";
inline constexpr char kPreview[] = "the preview decoder";
}  // namespace stage_names

/// One bool where x is: whether each of its values is a number, neither NaN nor Inf. Waits for
/// nothing on a device; one pass over x without a copy of it.
at::Tensor all_numbers(const at::Tensor& x);

/// The error for a stage ("the text encoder") that gave something else. Looks through the floating
/// tensors of the file it ran with, which takes as long as reading it: kFormat that names the
/// first with such a value, else the ways out; kRead where the file cannot be read any more.
Error no_numbers(const std::string& stage, const TensorSource& file, const c10::Device& device,
                 const Arithmetic& arithmetic);

}  // namespace ovi
