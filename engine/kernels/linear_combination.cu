// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch.h"
#include "kernels/linear_combination.cuh"

namespace ovi::kernels {

int launch_linear_combination(const LinearCombinationArgs& args, void* stream) {
  const LinearCombination body{args};
  return static_cast<int>(launch_items(body, body.items(), static_cast<cudaStream_t>(stream)));
}

}  // namespace ovi::kernels
