// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovi::kernels {

/// Components in memory order; kI420 and kNv12 are Y'CbCr 4:2:0 in three and two planes.
enum class Pixels : int32_t { kRgb, kRgba, kBgrx, kI420, kNv12 };

}  // namespace ovi::kernels
