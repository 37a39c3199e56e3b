// The small JSON files of a model folder.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace ovi {

/// What the file says. Throws Error as MappedFile::open(), and kFormat, with `way_out` at the
/// end of the message, when it is not JSON.
nlohmann::json read_json(const std::string& path, const std::string& way_out = {});

}  // namespace ovi
