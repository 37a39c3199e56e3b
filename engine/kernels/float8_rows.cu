// SPDX-License-Identifier: Apache-2.0
#include "kernels/float8_rows.cuh"
#include "kernels/launch.h"

namespace ovi::kernels {

int launch_float8_rows(const Float8RowsArgs& args, void* stream) {
  return with_float8_row(args, [&](const auto& body) {
    return static_cast<int>(launch_rows(body, args.rows, args.dim, args.aligned != 0,
                                        static_cast<cudaStream_t>(stream)));
  });
}

}  // namespace ovi::kernels
