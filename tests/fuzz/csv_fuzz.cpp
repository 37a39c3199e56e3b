// Bytes as a table of prompts that somebody made.
// SPDX-License-Identifier: Apache-2.0
#include "tools/csv.h"

#include <string>
#include <vector>

#include "fuzz_input.h"

namespace {

std::string quoted(const std::string& field) {
  std::string text = "\"";
  for (const char byte : field) {
    if (byte == '"') text += '"';
    text += byte;
  }
  return text + "\"";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string problem;
  const auto rows = ovii2v::tools::read_csv(text, problem);
  if (!problem.empty()) fuzz::expect_message(problem, 300);
  // What was read is written so that it reads the same.
  std::string written;
  size_t line = 1;
  for (const auto& row : rows) {
    fuzz::expect(!row.fields.empty(), "a row without a field");
    fuzz::expect(row.line >= line, "a row before the one before it");
    line = row.line;
    for (const std::string& field : row.fields)
      written += (&field == &row.fields.front() ? "" : ",") + quoted(field);
    written += "\r\n";
  }
  problem.clear();
  const auto again = ovii2v::tools::read_csv(written, problem);
  fuzz::expect(problem.empty() && again.size() == rows.size(), "other rows than before");
  for (size_t i = 0; i < rows.size(); ++i)
    fuzz::expect(again[i].fields == rows[i].fields, "other fields than before");
  return 0;
}
