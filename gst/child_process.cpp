// Programs that come with the plug-in and run for it: found, started, killed, reaped.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "child_process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace ovii2v {

void Descriptor::shut() {
  if (file >= 0) close(file);
  file = -1;
}

int ChildProcess::start(const std::vector<std::string>& words, const std::vector<Given>& given,
                        char* const* environment) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&how);
  int last = STDERR_FILENO;
  for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; ++standard)
    if (std::none_of(given.begin(), given.end(),
                     [standard](const Given& one) { return one.as == standard; }))
      posix_spawn_file_actions_addopen(&files, standard, "/dev/null",
                                       standard == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
  for (const Given& one : given) {
    posix_spawn_file_actions_adddup2(&files, one.file, one.as);
    last = std::max(last, one.as);
  }
  // An application may hold any that it did not mark.
  posix_spawn_file_actions_addclosefrom_np(&files, last + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setsigdefault(&how, &all);
  posix_spawnattr_setpgroup(&how, 0);
  posix_spawnattr_setflags(&how,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int error =
      posix_spawn(&id_, words.front().c_str(), &files, &how, arguments.data(), environment);
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  if (error) id_ = -1;
  if (id_ > 0) handle_ = static_cast<int>(syscall(SYS_pidfd_open, id_, 0));
  return error;
}

ChildProcess::End ChildProcess::reap() {
  End end;
  if (id_ <= 0) return end;
  int status = 0;
  pid_t got = 0;
  do got = waitpid(id_, &status, 0);
  while (got < 0 && errno == EINTR);
  id_ = -1;
  if (handle_ >= 0) close(handle_);
  handle_ = -1;
  // ECHILD: the application ignores SIGCHLD, or waits for all children itself.
  if (got <= 0) return end;
  end.known = true;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.status = WEXITSTATUS(status);
  return end;
}

bool ChildProcess::stopped() const {
  siginfo_t state{};
  return id_ > 0 &&
         waitid(P_PID, static_cast<id_t>(id_), &state, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         state.si_pid == id_ && state.si_code == CLD_STOPPED;
}

ChildProcess::End ChildProcess::reap_within(int milliseconds) {
  pollfd ended{handle_, POLLIN, 0};
  if (handle_ >= 0 && poll(&ended, 1, milliseconds) > 0) return reap();
  kill_and_reap();
  return {};
}

void ChildProcess::kill_and_reap() {
  if (id_ <= 0) return;
  if (handle_ >= 0)
    syscall(SYS_pidfd_send_signal, handle_, SIGKILL, nullptr, 0);
  else
    kill(id_, SIGKILL);
  reap();
}

std::string signal_name(int signal) {
  constexpr struct {
    int signal;
    const char* name;
  } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},
               {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},   {SIGKILL, "SIGKILL"},
               {SIGSYS, "SIGSYS"},   {SIGTRAP, "SIGTRAP"}, {SIGTERM, "SIGTERM"},
               {SIGHUP, "SIGHUP"},   {SIGPIPE, "SIGPIPE"}, {SIGXCPU, "SIGXCPU"}};
  for (const auto& one : names)
    if (one.signal == signal) return one.name;
  return "signal " + std::to_string(signal);
}

bool out_of_something(int error) {
  return error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
}

std::string own_file() {
  Dl_info self{};
  if (!dladdr(reinterpret_cast<const void*>(&own_file), &self) || !self.dli_fname) return {};
  g_autofree char* file = g_canonicalize_filename(self.dli_fname, nullptr);
  return file;
}

std::string find_program(const char* program, const char* variable, const char* room,
                         std::string& first, std::string& tried) {
  const char* chosen = secure_getenv(variable);
  std::vector<std::string> paths;
  if (chosen && *chosen) {
    paths.emplace_back(chosen);
  } else if (const std::string file = own_file(); !file.empty()) {
    g_autofree char* folder = g_path_get_dirname(file.c_str());
    // Installed ($libdir/gstreamer-1.0 -> $libdir/ovii2v), and in the build tree.
    for (const char* one : {"../ovii2v", room}) {
      g_autofree char* name = g_build_filename(folder, one, program, nullptr);
      g_autofree char* path = g_canonicalize_filename(name, nullptr);
      paths.emplace_back(path);
    }
  }
  tried = "Tried:";
  for (const std::string& path : paths) {
    if (access(path.c_str(), X_OK) == 0) return path;
    tried += "\n  " + path + ": " + g_strerror(errno);
  }
  first = paths.empty() ? program : paths.front();
  return {};
}

}  // namespace ovii2v
