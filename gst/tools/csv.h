// Reads comma-separated values (RFC 4180), as spreadsheets and Python write them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ovii2v::tools {

struct CsvRow {
  size_t line = 0;  // of the file, from 1, where it begins
  std::vector<std::string> fields;
};

/// Fields may be quoted, and then have commas, line breaks and doubled quotes; lines end with LF,
/// CRLF or CR; a byte order mark is skipped, lines without a character as well. A row's bytes are
/// as they are. `problem` says where a quote is not closed, or text follows a closed one; the rows
/// before that are returned all the same.
std::vector<CsvRow> read_csv(std::string_view text, std::string& problem);

}  // namespace ovii2v::tools
