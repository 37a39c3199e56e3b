// acceleration.json: this project's own optional file at a model folder's root, with the
// residual magnitudes measured on that very model.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "sampling/magnitude_table.h"

namespace ovi {

/// What the file says of `variant` ("720x720_5s"); none when it says nothing of it.
///
///     {"720x720_5s": {"about": "free text",
///                     "timesteps": [999.0, 995.0, ...],
///                     "video": {"positive": [0.995, ...], "negative": [...]},
///                     "audio": {"positive": [...], "negative": [...]}}}
///
/// Lists as in MagnitudeRatios, `about` may be missing. Throws Error: kNotFound,
/// kNotAuthorized, kOpenRead; kFormat that names file, field and value for a file that is
/// broken in any variant, also for a field that does not exist.
std::optional<MagnitudeTable> read_magnitudes(const std::string& path, const std::string& variant);

/// Writes or replaces what the file says of `variant`, and keeps what it says of others.
/// Throws as read_magnitudes(); kFailed when it cannot be written.
void write_magnitudes(const std::string& path, const std::string& variant,
                      const MagnitudeRatios& measured, const std::string& about);

}  // namespace ovi
