// The GPU that OVI_TEST_DEVICE names.
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "../engine/emulated_cuda/gpu.h"
#include "runtime/device.h"

namespace ovi::kernels::test {

c10::Device gpu() {
  const char* name = std::getenv("OVI_TEST_DEVICE");
  static const c10::Device found = find_device(name ? name : "cuda");
  return found;
}
std::optional<int64_t> kernel_runs() { return std::nullopt; }

}  // namespace ovi::kernels::test
