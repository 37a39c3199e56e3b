// What the tool says, and how: plain lines on stderr, results on stdout.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ovii2v::tools {

/// The exit status of every command, as in the man page.
enum Status : int { kDone = 0, kFailed = 1, kUsage = 2, kCancelled = 3 };

/// One line to stderr: "ovi: TEXT", "ovi: warning: TEXT", "hint: TEXT". A file that cannot be
/// written any more (a terminal that is gone) is nobody's trouble.
void complain(const std::string& text);
void hint(const std::string& text);
/// To stdout, with a line break.
void answer(const std::string& text);

/// The line at the bottom of a terminal that is written over, until the next line of the others;
/// an empty text takes it away. `columns()` is its width, 0 where stderr is no terminal that can
/// do that.
void status_line(const std::string& text);
unsigned columns();
/// How many lines were said, by all of these together.
uint64_t lines_said();

/// Says each warning once.
class Warnings {
 public:
  void say(const std::string& text);

 private:
  std::set<std::string> said_;
};

/// Text of any origin for a terminal: valid UTF-8 without control characters.
std::string shown(std::string_view text);
/// A file's name, which may be in any encoding.
std::string shown_file(const std::string& name);

/// The word among `known` that `word` is most likely meant to be; empty when it is like none.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

/// "31 s", "4 min 10 s", "2 h 5 min"
std::string duration_text(double seconds);

/// "950.0 MiB", "22.3 GiB"
std::string bytes_text(uint64_t bytes);

/// `text` in UTF-8: as it is, or else from the locale's encoding; empty, with `problem` filled,
/// when it is neither.
std::string utf8_of(const std::string& text, std::string& problem);

}  // namespace ovii2v::tools
