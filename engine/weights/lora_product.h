// The product of a LoRA's two halves.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovi {

/// to += factor * up @ down, all row-major float32: up [rows, rank], down [rank, columns], to
/// [rows, columns]. Each element is the same to the bit whatever rows it is computed with, which a
/// library's product does not promise. On the calling thread alone.
void add_product(const float* up, const float* down, int64_t rows, int64_t rank, int64_t columns,
                 float factor, float* to);

}  // namespace ovi
