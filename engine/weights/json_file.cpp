// SPDX-License-Identifier: Apache-2.0
#include "weights/json_file.h"

#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "weights/mapped_file.h"

namespace ovi {

nlohmann::json read_json(const std::string& path, const std::string& way_out) {
  const auto file = MappedFile::open(path);
  try {
    return nlohmann::json::parse(file->bytes());
  } catch (const nlohmann::json::exception& error) {
    const std::string tail = way_out.empty() ? "" : " " + way_out;
    throw Error(ErrorKind::kFormat, "'" + path + "' is not JSON." + tail, error.what());
  }
}

}  // namespace ovi
