// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include "runtime/device.h"

namespace ovi::nn {

/// Makes the choices between LibTorch's ways to compute the layers on a device, which take
/// tries and synchronise: before a model is loaded, so that no step has to. Made once a
/// process and device; throws Error(kSettings) for an unknown OVI_ATTENTION.
void prepare(const c10::Device& device, const Arithmetic& arithmetic);

}  // namespace ovi::nn
