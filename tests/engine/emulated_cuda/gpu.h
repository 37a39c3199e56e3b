// Where tests of the kernels' GPU code run it: on the emulated device, or on a GPU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

namespace ovi::kernels::test {

c10::Device gpu();
/// The kernels that have run so far; nothing where that is not known.
std::optional<int64_t> kernel_runs();

}  // namespace ovi::kernels::test
