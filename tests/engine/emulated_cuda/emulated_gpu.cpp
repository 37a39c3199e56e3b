// SPDX-License-Identifier: Apache-2.0
#include "../fake_device/fake_device.h"
#include "emulated_cuda.h"
#include "gpu.h"

namespace ovi::kernels::test {

c10::Device gpu() { return ovi::test::fake::device(); }
std::optional<int64_t> kernel_runs() { return emulated_cuda::runs(); }

}  // namespace ovi::kernels::test
