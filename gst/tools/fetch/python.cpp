// A Python of our own that has huggingface_hub: made once, and run.
// SPDX-License-Identifier: Apache-2.0
#include "fetch/python.h"

#include <glib-unix.h>
#include <signal.h>

#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP};

// A later one (2.4 was looked at) throws away what it has of a file when the program ends.
constexpr const char* kPackage = "huggingface_hub>=0.34,<1";
constexpr const char* kReady = "ready";  // holds the above, when all is installed

std::string joined(const std::string& folder, const char* name) {
  g_autofree gchar* path = g_build_filename(folder.c_str(), name, nullptr);
  return path;
}

std::string content(const std::string& path) {
  g_autofree gchar* text = nullptr;
  gsize bytes = 0;
  if (!g_file_get_contents(path.c_str(), &text, &bytes, nullptr)) return {};
  return {text, bytes};
}

/// The last thing a program said that is more than white space.
struct LastWord {
  std::string text;
  void operator()(const std::string& line) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) text = line;
  }
};

}  // namespace

Runner::Runner() {
  for (const int number : kEnding) {
    // What the parent wants ignored (nohup, a script's background) stays so.
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    if (before.sa_handler != SIG_IGN)
      signals_.push_back(g_unix_signal_add(number, on_signal, this));
  }
}

Runner::~Runner() {
  for (const guint id : signals_) g_source_remove(id);
}

gboolean Runner::on_signal(gpointer self) {
  auto* runner = static_cast<Runner*>(self);
  runner->cancelled_ = true;
  if (runner->child_) g_subprocess_send_signal(runner->child_, SIGTERM);
  // The next one is the system's.
  for (const guint id : runner->signals_) g_source_remove(id);
  runner->signals_.clear();
  return G_SOURCE_REMOVE;
}

void Runner::read_line() {
  g_data_input_stream_read_line_async(lines_, G_PRIORITY_DEFAULT, nullptr, on_line, this);
}

void Runner::on_line(GObject* stream, GAsyncResult* result, gpointer self) {
  auto* runner = static_cast<Runner*>(self);
  gsize length = 0;
  g_autofree gchar* text =
      g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(stream), result, &length, nullptr);
  if (!text) {
    runner->ended_ = true;
    return;
  }
  (*runner->line_)(std::string(text, length));
  runner->read_line();
}

bool Runner::run(const std::vector<std::string>& words,
                 const std::function<void(const std::string&)>& line) {
  if (cancelled_) return false;
  std::vector<const gchar*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  arguments.push_back(nullptr);
  g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(static_cast<GSubprocessFlags>(
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE));
  // In a group of its own: a terminal's Ctrl-C is for this program, which ends the other one.
  g_subprocess_launcher_set_child_setup(
      launcher, [](gpointer) { setpgid(0, 0); }, nullptr, nullptr);
  for (const auto& [name, value] :
       {std::pair{"HF_HUB_DISABLE_PROGRESS_BARS", "1"},
        // Files by plain HTTP: these go on where they were stopped.
        std::pair{"HF_HUB_DISABLE_XET", "1"}, std::pair{"HF_HUB_DISABLE_TELEMETRY", "1"},
        std::pair{"PIP_DISABLE_PIP_VERSION_CHECK", "1"}})
    g_subprocess_launcher_setenv(launcher, name, value, TRUE);
  g_autoptr(GError) error = nullptr;
  child_ = g_subprocess_launcher_spawnv(launcher, arguments.data(), &error);
  if (!child_) {
    line(error->message);
    return false;
  }
  lines_ = g_data_input_stream_new(g_subprocess_get_stdout_pipe(child_));
  line_ = &line;
  ended_ = false;
  read_line();
  while (!ended_) g_main_context_iteration(nullptr, TRUE);
  g_subprocess_wait(child_, nullptr, nullptr);
  const bool good = g_subprocess_get_if_exited(child_) && g_subprocess_get_exit_status(child_) == 0;
  g_clear_object(&lines_);
  g_clear_object(&child_);
  return good && !cancelled_;
}

std::string hub_python(Runner& runner, const std::function<void(const std::string&)>& say,
                       Trouble& trouble) {
  const std::string room = joined(g_get_user_cache_dir(), "ovii2v");
  const std::string folder = joined(room, "huggingface_hub");
  const std::string python = joined(folder, "bin/python3"), ready = joined(folder, kReady);
  LastWord last;
  const auto listen = [&last](const std::string& line) { last(line); };
  const auto works = [&] {
    // A Python that was upgraded or moved leaves an environment that does not start.
    return runner.run({python, "-I", "-c", "import huggingface_hub"}, listen);
  };
  if (content(ready) == kPackage && works()) return python;
  if (runner.cancelled()) return {};

  g_autofree gchar* system = g_find_program_in_path("python3");
  if (!system) {
    trouble = {"There is no python3, which huggingface_hub needs.",
               "Debian, Ubuntu: apt install python3 python3-venv"};
    return {};
  }
  say("setting up huggingface_hub in " + shown_file(folder) + " (once)");
  if (g_mkdir_with_parents(room.c_str(), 0755) != 0) {
    trouble = {shown_file(room) + " cannot be made: " + g_strerror(errno) + ".",
               "XDG_CACHE_HOME may name another folder"};
    return {};
  }
  if (!runner.run({system, "-m", "venv", "--clear", folder}, listen)) {
    trouble = {"python3 cannot make a virtual environment in " + shown_file(folder) + ": " +
                   shown(last.text),
               "Debian, Ubuntu: apt install python3-venv"};
    return {};
  }
  if (!runner.run({python, "-I", "-m", "pip", "install", "--quiet", kPackage}, listen) ||
      !works()) {
    trouble = {"pip cannot install huggingface_hub: " + shown(last.text),
               "behind a proxy set HTTPS_PROXY; PIP_INDEX_URL may name a mirror"};
    return {};
  }
  g_autoptr(GError) error = nullptr;
  if (!g_file_set_contents(ready.c_str(), kPackage, -1, &error)) {
    trouble = {error->message, "XDG_CACHE_HOME may name another folder"};
    return {};
  }
  return python;
}

}  // namespace ovii2v::tools
