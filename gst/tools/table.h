// The rows of a table of prompts, as clips to be made.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "property.h"

namespace ovii2v::tools {

struct TableRow {
  size_t number = 0;   // from 1, the header not counted
  size_t line = 0;     // of the file
  std::string output;  // as the table says; may be empty
  std::vector<Setting> settings;
  std::string wrong;  // why it cannot be made; empty when it can
};

struct Table {
  std::vector<TableRow> rows;
  std::vector<std::string> warnings;  // columns that are not known
};

/// Columns by their names in the first row, in any order and case: text_prompt or prompt;
/// image_path or image; output; and any property of ovii2vsrc ('_' for '-'). An empty field leaves
/// its setting as it is. Relative pictures are looked for in the current folder, then in `folder`,
/// the table's. `problem` says why there is no table at all, or where it breaks off: rows before
/// that are returned.
Table read_table(const std::string& text, const std::string& folder, GObjectClass* klass,
                 std::string& problem);

}  // namespace ovii2v::tools
