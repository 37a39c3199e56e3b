// SPDX-License-Identifier: Apache-2.0
#include "kernels/gelu_float8.cuh"
#include "kernels/launch.h"

namespace ovi::kernels {

int launch_gelu_float8(const GeluFloat8Args& args, void* stream) {
  const auto launch = [&](const auto& body) {
    return static_cast<int>(launch_rows(body, args.rows, args.dim, args.aligned != 0,
                                        static_cast<cudaStream_t>(stream)));
  };
  return args.element == Element::kFloat ? launch(GeluFloat8Row<float>{args})
                                         : launch(GeluFloat8Row<Bfloat16>{args});
}

}  // namespace ovi::kernels
