// A picture as a PNG file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "preview/pixels.h"

namespace ovii2v::tools {

/// The bytes of the file; empty when there is no memory for them.
std::string png_of(const Pixels& pixels);

}  // namespace ovii2v::tools
