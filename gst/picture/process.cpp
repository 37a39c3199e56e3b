// The decoder program: started for one picture, asked, believed nothing, and gone.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "picture/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <new>

#include "picture/location.h"

extern char** environ;

namespace ovii2v {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kProgram = "ovii2v-picture";
constexpr const char* kVariable = "OVII2V_PICTURE_PATH";
constexpr int kPollInterval = 20;  // ms
/// Beyond its own limit, for starting and for handing over the pixels.
constexpr std::chrono::seconds kGrace{2};
constexpr int kDyingMilliseconds = 100;
constexpr int kPipeBytes = 1 << 20;

/// Closes what it holds.
struct Descriptor {
  int file = -1;
  explicit Descriptor(int its) : file(its) {}
  ~Descriptor() { shut(); }
  Descriptor(const Descriptor&) = delete;
  void shut() {
    if (file >= 0) close(file);
    file = -1;
  }
};

/// The program, from its start to its end.
class Child {
 public:
  Child() = default;
  ~Child() { kill_and_reap(); }
  Child(const Child&) = delete;

  /// 0, or an errno.
  int start(const std::string& program, int input, int output, const Budget& budget);
  /// The signal that it ended by in time; 0: another end, not known, or killed for now.
  int reap_within(int milliseconds);
  void kill_and_reap();

 private:
  int reap();

  pid_t id_ = -1;
  int handle_ = -1;  // a pidfd: the number may be another's once somebody else has reaped it
};

int Child::start(const std::string& program, int input, int output, const Budget& budget) {
  const std::array<std::string, 11> words{program,
                                          "--most-pixels",
                                          std::to_string(budget.pixels),
                                          "--most-bytes",
                                          std::to_string(budget.bytes),
                                          "--seconds",
                                          std::to_string(budget.seconds),
                                          "--memory-mib",
                                          std::to_string(budget.memory_mib),
                                          "--parent",
                                          std::to_string(getpid())};
  std::array<char*, words.size() + 1> arguments{};
  for (size_t i = 0; i < words.size(); ++i) arguments[i] = const_cast<char*>(words[i].c_str());

  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&how);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  // An application may hold any that it did not mark.
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  // Signals as for a program from a shell, and a group of its own: a Ctrl-C is for the application.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setsigdefault(&how, &all);
  posix_spawnattr_setpgroup(&how, 0);
  posix_spawnattr_setflags(&how,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(&id_, program.c_str(), &files, &how, arguments.data(), environ);
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  if (error) id_ = -1;
  if (id_ > 0) handle_ = static_cast<int>(syscall(SYS_pidfd_open, id_, 0));
  return error;
}

/// Waits until it has ended.
int Child::reap() {
  if (id_ <= 0) return 0;
  int status = 0;
  pid_t got = 0;
  do got = waitpid(id_, &status, 0);
  while (got < 0 && errno == EINTR);
  id_ = -1;
  if (handle_ >= 0) close(handle_);
  handle_ = -1;
  // ECHILD: the application ignores SIGCHLD, or waits for all children itself.
  return got > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int Child::reap_within(int milliseconds) {
  pollfd ended{handle_, POLLIN, 0};
  if (handle_ >= 0 && poll(&ended, 1, milliseconds) > 0) return reap();
  kill_and_reap();
  return 0;
}

void Child::kill_and_reap() {
  if (id_ <= 0) return;
  if (handle_ >= 0)
    syscall(SYS_pidfd_send_signal, handle_, SIGKILL, nullptr, 0);
  else
    kill(id_, SIGKILL);
  reap();
}

/// Takes what comes out of a pipe, and knows when to stop.
class Reading {
 public:
  Reading(int pipe, Clock::time_point deadline, const std::atomic<bool>& cancelled)
      : pipe_(pipe), deadline_(deadline), cancelled_(cancelled) {}

  enum class End { kAll, kShort, kCancelled, kTooSlow };
  /// Exactly `count` bytes.
  End read(void* data, size_t count);
  bool saw_any() const { return any_; }
  /// Whether nothing more comes.
  End expect_end() {
    char more;
    const End end = read(&more, 1);
    return end == End::kShort ? End::kAll : end == End::kAll ? End::kShort : end;
  }

 private:
  const int pipe_;
  const Clock::time_point deadline_;
  const std::atomic<bool>& cancelled_;
  bool any_ = false;
};

Reading::End Reading::read(void* data, size_t count) {
  for (size_t at = 0; at < count;) {
    if (cancelled_) return End::kCancelled;
    if (Clock::now() > deadline_) return End::kTooSlow;
    pollfd waiting{pipe_, POLLIN, 0};
    if (poll(&waiting, 1, kPollInterval) <= 0) continue;
    const ssize_t got = ::read(pipe_, static_cast<uint8_t*>(data) + at, count - at);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return End::kShort;
    any_ = true;
    at += static_cast<size_t>(got);
  }
  return End::kAll;
}

/// kShort: too few bytes, or not what answer.h says.
Reading::End read_answer(Reading& reading, const Budget& budget, Answer& answer) {
  using End = Reading::End;
  AnswerHead head;
  if (const End end = reading.read(&head, sizeof head); end != End::kAll) return end;
  const bool picture = head.outcome == Outcome::kPicture;
  if (head.magic != AnswerHead::kMagic || head.outcome > Outcome::kFailed ||
      head.text_bytes > AnswerHead::kMostText)
    return End::kShort;
  if (picture && (head.width == 0 || head.height == 0 || head.width > budget.pixels / head.height))
    return End::kShort;
  std::string text(head.text_bytes, '\0');
  if (const End end = reading.read(text.data(), text.size()); end != End::kAll) return end;
  answer.outcome = head.outcome;
  answer.text = printable_line(text);
  if (picture) {
    answer.width = head.width, answer.height = head.height;
    answer.rgb.resize(size_t{3} * head.width * head.height);
    if (const End end = reading.read(answer.rgb.data(), answer.rgb.size()); end != End::kAll)
      return end;
  }
  return reading.expect_end();
}

std::string folder_of_plugin() {
  Dl_info self{};
  if (!dladdr(reinterpret_cast<const void*>(&find_decoder), &self) || !self.dli_fname) return {};
  g_autofree char* file = g_canonicalize_filename(self.dli_fname, nullptr);
  g_autofree char* folder = g_path_get_dirname(file);
  return folder;
}

}  // namespace

std::string find_decoder(std::optional<Failure>& failure) {
  // Not for a program that has more rights than who starts it.
  const char* chosen = secure_getenv(kVariable);
  std::vector<std::string> paths;
  if (chosen && *chosen) {
    paths.emplace_back(chosen);
  } else if (const std::string folder = folder_of_plugin(); !folder.empty()) {
    // Installed ($libdir/gstreamer-1.0 -> $libdir/ovii2v), and in the build tree.
    for (const char* room : {"../ovii2v", "picture/decoder"}) {
      g_autofree char* name = g_build_filename(folder.c_str(), room, kProgram, nullptr);
      g_autofree char* path = g_canonicalize_filename(name, nullptr);
      paths.emplace_back(path);
    }
  }
  std::string tried = "Tried:";
  for (const std::string& path : paths) {
    if (access(path.c_str(), X_OK) == 0) return path;
    tried += "\n  " + path + ": " + g_strerror(errno);
  }
  const std::string first = paths.empty() ? kProgram : paths.front();
  failure = Failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                    "The picture decoder " + first +
                        " cannot be started: install ovii2v-picture there, which comes with the "
                        "plug-in, or run the set-up again.",
                    tried};
  return {};
}

std::optional<Answer> ask_decoder(const std::string& program, int file, const Budget& budget,
                                  const std::atomic<bool>& cancelled, Fault& fault) {
  fault = {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    fault = {Fault::Kind::kNotStarted, errno, 0, g_strerror(errno)};
    return std::nullopt;
  }
  Descriptor pipe_out(ends[0]);
  Descriptor pipe_in(ends[1]);
  // Above the three standard ones, which an application may have closed: they are replaced.
  Descriptor input(fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  Descriptor output(fcntl(pipe_in.file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  pipe_in.shut();
  fcntl(pipe_out.file, F_SETFL, O_NONBLOCK);
  fcntl(pipe_out.file, F_SETPIPE_SZ, kPipeBytes);  // or as it was
  Child child;
  const int error = input.file < 0 || output.file < 0
                        ? errno
                        : child.start(program, input.file, output.file, budget);
  input.shut();
  output.shut();
  if (error) {
    fault = {Fault::Kind::kNotStarted, error, 0, g_strerror(error)};
    return std::nullopt;
  }
  Reading reading(pipe_out.file, Clock::now() + std::chrono::seconds(budget.seconds) + kGrace,
                  cancelled);
  Answer answer;
  Reading::End end;
  try {
    end = read_answer(reading, budget, answer);
  } catch (const std::bad_alloc&) {
    answer = {Outcome::kNoMemory, "its pixels do not fit into memory", 0, 0, {}};
    end = Reading::End::kAll;
  }
  switch (end) {
    case Reading::End::kAll:
      return answer;
    case Reading::End::kCancelled:
      break;
    case Reading::End::kTooSlow:
      fault = {Fault::Kind::kTooSlow, 0, 0, ""};
      break;
    case Reading::End::kShort: {
      // The end of its output is the end of it, unless it says what it should not.
      const bool said = reading.saw_any();
      const int signal = child.reap_within(kDyingMilliseconds);
      fault = {signal || !said ? Fault::Kind::kDied : Fault::Kind::kMalformed, 0, signal,
               said ? "its answer was not whole" : "it gave no answer"};
      break;
    }
  }
  return std::nullopt;
}

}  // namespace ovii2v
