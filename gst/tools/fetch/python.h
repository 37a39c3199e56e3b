// A Python of our own that has huggingface_hub: made once, and run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gio/gio.h>

#include <functional>
#include <string>
#include <vector>

namespace ovii2v::tools {

/// Runs programs that talk in lines, one at a time. A signal that asks to end (SIGINT, SIGTERM,
/// SIGHUP) ends the one that runs; a second signal ends this program.
class Runner {
 public:
  Runner();
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Waits for its end; `line` gets what it says, stdout and stderr together. True when it ended
  /// with 0.
  bool run(const std::vector<std::string>& words,
           const std::function<void(const std::string&)>& line);
  bool cancelled() const { return cancelled_; }

 private:
  static gboolean on_signal(gpointer self);
  static void on_line(GObject* stream, GAsyncResult* result, gpointer self);
  void read_line();

  std::vector<guint> signals_;
  GSubprocess* child_ = nullptr;
  GDataInputStream* lines_ = nullptr;
  const std::function<void(const std::string&)>* line_ = nullptr;
  bool cancelled_ = false, ended_ = false;
};

/// Why there is none, and what to do.
struct Trouble {
  std::string problem, way_out;
};

/// The interpreter of a virtual environment with huggingface_hub, in the user's cache folder. The
/// first call makes it (pip fetches 10 MB), and `say` is told so before. Empty with `trouble`
/// filled when it cannot be had, or when `runner` was cancelled.
std::string hub_python(Runner& runner, const std::function<void(const std::string&)>& say,
                       Trouble& trouble);

}  // namespace ovii2v::tools
