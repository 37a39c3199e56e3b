// What the clip is about to become: in the terminal, or in a file beside it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "preview/pixels.h"
#include "preview/terminal.h"

namespace ovii2v::tools {

struct PreviewOptions {
  bool shown = false;
  bool keep = false;  // in a file, which stays
};

/// Shows the element's ovii2v-preview messages. A file is replaced as a whole, and goes at the end
/// of its clip.
class Preview {
 public:
  Preview(const PreviewOptions& options, bool quiet) : options_(options), quiet_(quiet) {}
  ~Preview() { end(); }
  Preview(const Preview&) = delete;
  Preview& operator=(const Preview&) = delete;

  /// The next clip; `output` as on the command line. A file that is there is replaced with `force`.
  void begin(const std::string& output, bool force);
  /// Other messages are none of its business.
  void show(GstMessage* message);
  /// The clip is over, or given up.
  void end();

 private:
  void write(const Pixels& pixels);

  PreviewOptions options_;
  bool quiet_;
  bool looked_ = false;  // for a terminal
  std::optional<TerminalPicture> terminal_;
  std::string path_;      // empty: there is no file
  bool written_ = false;  // and it is ours
};

}  // namespace ovii2v::tools
