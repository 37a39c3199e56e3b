// Programs that come with the plug-in and run for it: found, started, killed, reaped.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ovii2v {

/// Closes what it holds.
struct Descriptor {
  int file = -1;
  Descriptor() = default;
  explicit Descriptor(int its) : file(its) {}
  ~Descriptor() { shut(); }
  Descriptor(Descriptor&& other) noexcept : file(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      shut();
      file = other.release();
    }
    return *this;
  }
  void shut();
  int release() {
    const int its = file;
    file = -1;
    return its;
  }
};

/// A descriptor that a program gets, and as which. `as` is the number in the program.
struct Given {
  int file;
  int as;
};

/// A program, from its start to its end.
class ChildProcess {
 public:
  ChildProcess() = default;
  ~ChildProcess() { kill_and_reap(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// How it ended.
  struct End {
    bool known = false;  // false: not in time (it was killed), or another part of the process
                         // reaped it
    int signal = 0;      // 0: it ended by itself
    int status = 0;      // then
  };

  /// `words` begin with the program's path. It gets `given` (numbers without a hole from 0 or
  /// from STDERR_FILENO + 1; each `file` above all of them) and what is missing of the three
  /// standard descriptors is /dev/null; every other one is closed. Signals are as for a program
  /// from a shell, and it has a process group of its own: a Ctrl-C is for the application.
  /// `environment` ends with a null pointer. Returns 0, or an errno.
  int start(const std::vector<std::string>& words, const std::vector<Given>& given,
            char* const* environment);
  bool started() const { return id_ > 0; }
  pid_t id() const { return id_; }
  /// By a signal (SIGSTOP), not by a debugger.
  bool stopped() const;
  /// Waits for its end, and kills it after that time.
  End reap_within(int milliseconds);
  void kill_and_reap();

 private:
  End reap();

  pid_t id_ = -1;
  int handle_ = -1;  // a pidfd: the number may be another's once somebody else has reaped it
};

/// "SIGSEGV"; what kills a process that is not told to end.
std::string signal_name(int signal);

/// Whether an errno of a start says that the system has no more of something.
bool out_of_something(int error);

/// The file that this code is in: the plug-in. Empty when that is not known.
std::string own_file();

/// Where `program` lies: the file that the environment variable names (not for a program with more
/// rights than who starts it), else installed beside the plug-in's folder, or in `room` of the
/// build tree. Empty when it is nowhere: `first` is where it should be, `tried` is for the log.
std::string find_program(const char* program, const char* variable, const char* room,
                         std::string& first, std::string& tried);

}  // namespace ovii2v
