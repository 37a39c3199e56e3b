// Rotary position embedding (Su et al. 2021) with tables made once per clip.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace ovi::nn {

/// Rotations of each position, for rope().
struct RopeTable {
  at::Tensor rotations;  // complex64 [L, 1, d / 2]
};

/// 3D positions: of the d/2 pairs, d/2 - 2(d/6) turn with the frame, d/6 with the
/// row and d/6 with the column; theta 10000 (Wan 2.1, arXiv 2503.20314, as
/// published). L = frames * rows * columns, columns fastest.
RopeTable rope_table_3d(int64_t head_dim, int64_t frames, int64_t rows, int64_t columns,
                        c10::Device device);

/// 1D positions over the pairs that rope_table_3d gives to the frame, with all
/// frequencies times `scaling`; the other pairs stay as they are (Ovi, arXiv
/// 2510.01284, section on scaled RoPE).
RopeTable rope_table_1d(int64_t head_dim, int64_t length, double scaling, c10::Device device);

/// Turns the pairs (even, odd) of x [L, heads, d]; same shape and dtype.
at::Tensor rope(const at::Tensor& x, const RopeTable& table);

}  // namespace ovi::nn
