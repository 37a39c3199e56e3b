// Reads comma-separated values (RFC 4180), as spreadsheets and Python write them.
// SPDX-License-Identifier: Apache-2.0
#include "csv.h"

#include <algorithm>

namespace ovii2v::tools {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    if (text_.substr(0, kMark.size()) == kMark) at_ = kMark.size();
  }

  bool more() const { return at_ < text_.size(); }
  size_t line() const { return line_; }

  /// A line break, if one is here.
  bool end_of_line() {
    if (!more() || (text_[at_] != '\n' && text_[at_] != '\r')) return false;
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
    return true;
  }

  bool comma() {
    if (!more() || text_[at_] != ',') return false;
    ++at_;
    return true;
  }

  /// What stands between two commas. `problem` is filled when it is broken.
  std::string field(std::string& problem) {
    if (!more() || text_[at_] != '"') {
      const size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
      const std::string_view plain = text_.substr(at_, end - at_);
      at_ = end;
      return std::string(plain);
    }
    const size_t began = line_;
    std::string quoted;
    for (++at_; more(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      } else if (text_[at_] == '\n' ||
                 (text_[at_] == '\r' && (at_ + 1 >= text_.size() || text_[at_ + 1] != '\n'))) {
        ++line_;
      }
      quoted += text_[at_];
    }
    if (!more()) {
      problem = "The quote that line " + std::to_string(began) + " opens is never closed.";
      return quoted;
    }
    ++at_;
    if (more() && text_[at_] != ',' && text_[at_] != '\r' && text_[at_] != '\n')
      problem = "In line " + std::to_string(line_) +
                " text follows a closing quote: within quotes a quote is written twice.";
    return quoted;
  }

 private:
  std::string_view text_;
  size_t at_ = 0, line_ = 1;
};

}  // namespace

std::vector<CsvRow> read_csv(std::string_view text, std::string& problem) {
  std::vector<CsvRow> rows;
  Reader reader(text);
  while (reader.more()) {
    if (reader.end_of_line()) continue;
    CsvRow row{reader.line(), {}};
    do {
      row.fields.push_back(reader.field(problem));
      if (!problem.empty()) return rows;
    } while (reader.comma());
    reader.end_of_line();
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace ovii2v::tools
