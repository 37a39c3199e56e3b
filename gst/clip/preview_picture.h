// What a preview has to be to be taken for a picture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ovi/engine.h"

namespace ovii2v {

inline constexpr uint32_t kMostPreviewSide = 8192;  // pixels, as of a frame

/// Whether it is what ovi/engine.h promises.
inline bool is_picture(const ovi_preview& preview) {
  return preview.rgb && preview.width && preview.height && preview.width <= kMostPreviewSide &&
         preview.height <= kMostPreviewSide && preview.stride >= size_t{3} * preview.width;
}

}  // namespace ovii2v
