// What the NVIDIA driver says when it is asked directly: LibTorch's own functions for that
// cannot be linked without its CUDA library.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ovi {

struct CudaDriver {
  int version = 0;  // of CUDA that it knows: 12040 for 12.4
  int devices = 0;  // that this process may use
};

/// Zeros where there is no driver, or it does not start.
CudaDriver ask_cuda_driver();

/// Of CUDA device `index`, 89 for 8.9; 0 when the driver does not say.
int compute_capability(int index);

}  // namespace ovi
