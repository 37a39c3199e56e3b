// The fake device's random numbers: the CPU's, but of a generator of its own kind.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/CPUGeneratorImpl.h>

namespace ovi::test::fake {

class Generator final : public at::CPUGeneratorImpl {
 public:
  Generator() { lend(false); }

  /// While lent, the CPU's kernels take it for theirs.
  void lend(bool lent) {
    device_ = lent ? c10::Device(c10::kCPU) : c10::Device(c10::kPrivateUse1, 0);
    key_set_ = c10::DispatchKeySet(lent ? c10::DispatchKey::CPU : c10::DispatchKey::PrivateUse1);
  }
};

}  // namespace ovi::test::fake
