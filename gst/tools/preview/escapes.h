// Pictures as what terminals understand: kitty's graphics protocol, and sixels.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "preview/pixels.h"

namespace ovii2v::tools {

/// At the cursor, which stays, over `columns` times `rows` cells; in the place of what had the
/// same `id`. The terminal answers nothing.
std::string kitty_picture(const Pixels& pixels, uint32_t id, unsigned columns, unsigned rows);

/// At the cursor, which moves; a pixel is a pixel. In 252 colours, dithered.
std::string sixel_picture(const Pixels& pixels);

}  // namespace ovii2v::tools
