// ovi make --csv: a clip for each row of a table.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "container.h"
#include "maker.h"

namespace ovii2v::tools {

struct BatchOptions {
  std::string table;   // file, "-": standard input
  std::string folder;  // where clips go; it is made when it is missing
  Container container = Container::kMp4;
  bool force = false, json = false, quiet = false;
};

/// Makes what is not there yet; a row that fails stops no other one. Ends with a summary, and
/// returns the status for the whole.
Status make_table(Maker& maker, const BatchOptions& options);

}  // namespace ovii2v::tools
