// How far a clip is: a bar on a terminal, lines elsewhere.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <string>

namespace ovii2v::tools {

/// What the element's PROGRESS messages, or others, say, shown.
class Progress {
 public:
  /// Nothing is shown when `quiet`.
  explicit Progress(bool quiet) : quiet_(quiet) {}

  /// The next clip; `name` is what it will be called, "2 of 5" its place.
  void begin(const std::string& name, const std::string& place);
  void show(GstMessage* message);
  /// The same of what is no message: `stage` begins a line of its own, `time` (", 9 s left", or
  /// nothing) and `said` are shown.
  void show(const std::string& stage, int percent, const std::string& time,
            const std::string& said);
  void end();

 private:
  bool quiet_;
  std::string name_, stage_;
  int told_ = 0;  // percent of the last line
};

}  // namespace ovii2v::tools
