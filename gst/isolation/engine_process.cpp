// One worker process with the engine in it: started, asked, believed nothing, and gone.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "isolation/engine_process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

extern char** environ;

namespace ovii2v {
namespace {

using Clock = std::chrono::steady_clock;
using wire::Kind;
using wire::Moved;

/// For the status of a process that has ended: its core may be written, but not its socket closed
/// before that.
constexpr int kDyingMilliseconds = 1000;

/// A program with more rights than its user has hands no choice of code on: the worker may not
/// know.
std::vector<char*> environment() {
  std::vector<char*> all;
  for (char** one = environ; one && *one; ++one)
    if (!getauxval(AT_SECURE) || (strncmp(*one, "OVII2V_", 7) != 0 && strncmp(*one, "LD_", 3) != 0))
      all.push_back(*one);
  all.push_back(nullptr);
  return all;
}

}  // namespace

void Cancelling::trigger() {
  int64_t none = 0;
  at_.compare_exchange_strong(none, Clock::now().time_since_epoch().count());
}

bool Cancelling::since(std::chrono::milliseconds time) const {
  const int64_t at = at_;
  return at != 0 && Clock::now() - Clock::time_point(Clock::duration(at)) >= time;
}

WorkerError EngineProcess::failed(const std::string& message, const std::string& detail,
                                  ovi_status status) {
  socket_.shut();
  child_.kill_and_reap();
  return {status, message, program_ + (detail.empty() ? "" : ": " + detail)};
}

WorkerError EngineProcess::senseless(const std::string& what) {
  return failed(
      "The Ovi worker said what makes no sense, and was ended: install plug-in and ovii2v-worker "
      "of "
      "the same release. The element can be started again.",
      what);
}

/// False: what is waited for has taken too long.
bool EngineProcess::go_on(Clock::time_point deadline) {
  if (cancelling_.since(patience_.cancel)) return false;
  too_slow_ = Clock::now() > deadline;
  return !too_slow_;
}

/// A process that makes a clip may take any time, but not one that was stopped.
bool EngineProcess::stays_stopped() {
  constexpr std::chrono::milliseconds kLook(100);
  const Clock::time_point now = Clock::now();
  const Clock::duration passed = now - looked_;
  if (passed < kLook) return false;
  looked_ = now;
  // While this process was stopped itself it saw nothing.
  stopped_ = child_.stopped() ? stopped_ + std::min<Clock::duration>(passed, 3 * kLook)
                              : Clock::duration(0);
  return stopped_ >= patience_.stopped;
}

WorkerError EngineProcess::ended(Moved moved, const std::string& during) {
  constexpr const char* kAgain = " The element can be started again, with a new one.";
  if (moved == Moved::kMalformed) return senseless("a message that is none " + during);
  if (moved == Moved::kNoRoom)
    return failed(
        "Out of memory or descriptors for what the Ovi worker sends: end other programs, or "
        "raise the limits (ulimit -n).",
        during, OVI_NO_SPACE);
  if (moved == Moved::kStopped && !too_slow_)
    return failed("Cancelled.", "it did not answer, and was killed", OVI_CANCELLED);
  if (moved == Moved::kStopped)
    return failed(
        "The Ovi worker does not answer, and was ended: it may have been stopped, or the "
        "machine may be too busy." +
            std::string(kAgain),
        during);
  socket_.shut();
  const ChildProcess::End end = child_.reap_within(kDyingMilliseconds);
  std::string how = "The Ovi worker has ended " + during;
  if (end.signal == SIGKILL)
    how +=
        ": something killed it (SIGKILL), as the system does where memory ends. Try again with "
        "more of it, or with memory=offload.";
  else if (end.signal == SIGTERM || end.signal == SIGHUP || end.signal == SIGINT)
    how += ": something asked it to end (" + signal_name(end.signal) +
           "), an administrator or a service manager.";
  else if (end.signal)
    how += ": it crashed (" + signal_name(end.signal) + "). Please report it.";
  else if (end.known)
    how += ": it ended by itself (status " + std::to_string(end.status) + "). Please report it.";
  else
    how += ".";
  return failed(how + kAgain, end.signal ? signal_name(end.signal) : "");
}

WorkerError EngineProcess::start(const std::string& program) {
  program_ = program;
  int ends[2] = {-1, -1};
  int error = 0;
  Descriptor own, given, said;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
    Descriptor one(ends[0]), other(ends[1]);
    // Above those that the program has them as, which an application may have closed.
    constexpr int kAbove = STDERR_FILENO + 2;
    own = Descriptor(fcntl(one.file, F_DUPFD_CLOEXEC, kAbove));
    given = Descriptor(fcntl(other.file, F_DUPFD_CLOEXEC, kAbove));
    if (own.file < 0 || given.file < 0) error = errno;
  } else {
    error = errno;
  }
  // What LibTorch and drivers say goes where the application's own words go; nothing to its
  // standard output, which may be a film.
  if (!error) said = Descriptor(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 2));
  if (!error) {
    std::vector<Given> descriptors{{given.file, STDERR_FILENO + 1}};
    if (said.file >= 0)
      descriptors.insert(descriptors.end(),
                         {{said.file, STDOUT_FILENO}, {said.file, STDERR_FILENO}});
    const std::vector<std::string> words{program, "--parent", std::to_string(getpid()), "--plugin",
                                         own_file()};
    error = child_.start(words, descriptors, environment().data());
  }
  if (error && out_of_something(error))
    return failed(
        "The Ovi worker cannot be started: the system gives no memory, descriptors or "
        "processes for it. End other programs, or raise the limits (ulimit -n, -u).",
        g_strerror(error), OVI_NO_SPACE);
  if (error)
    return failed(
        "The Ovi worker " + program +
            " cannot be started: install ovii2v-worker there, which comes with the plug-in, "
            "run the set-up again, or set isolation=none.",
        g_strerror(error), OVI_LIBRARY_INIT);
  given.shut();
  socket_ = std::move(own);

  const auto deadline = Clock::now() + patience_.start;
  const auto on = [this, deadline] { return go_on(deadline); };
  const std::string during = "while it was started";
  wire::Hello mine;
  mine.release = VERSION;
  if (const Moved moved = wire::send(socket_.file, Kind::kHello, body_of(mine), -1, on);
      moved != Moved::kWhole)
    return ended(moved, during);
  wire::Message message;
  if (const Moved moved = wire::receive(socket_.file, wire::kMostToElement, message, on);
      moved != Moved::kWhole)
    return ended(moved, during);
  if (message.kind != Kind::kHello || !read(message.body, hello_))
    return senseless("its first message");
  if (hello_.protocol != wire::kProtocol || hello_.abi != OVI_ENGINE_ABI ||
      hello_.release != mine.release)
    return failed(
        "The Ovi worker " + program + " is of another release (" + hello_.release +
            ") than the plug-in (" + mine.release +
            "): install both of the same one, or set isolation=none.",
        "protocol " + std::to_string(hello_.protocol) + ", interface " + std::to_string(hello_.abi),
        OVI_LIBRARY_INIT);
  if (!hello_.message.empty()) {
    socket_.shut();
    child_.kill_and_reap();
    return {OVI_LIBRARY_INIT, hello_.message, hello_.detail};
  }
  return {};
}

WorkerError EngineProcess::call(Kind kind, const std::string& body, int descriptor, bool endless,
                                const Take& take, std::string& answer) {
  // Reports beyond that are no reports: a bus should not fill with them.
  constexpr int kMostReports = 4'000'000;
  const std::string during = kind == Kind::kGenerate ? "while it made the clip"
                             : kind == Kind::kPlan   ? "while it planned the clip"
                                                     : "while it looked at the model";
  const auto deadline = Clock::now() + patience_.answer;
  bool told = false;
  too_slow_ = false;
  const auto on = [&] { return go_on(deadline); };
  if (const Moved moved = wire::send(socket_.file, kind, body, descriptor, on);
      moved != Moved::kWhole)
    return ended(moved, during);
  const auto while_made = [&] {
    if (endless && !told && cancelling_.triggered()) {
      told = true;
      wire::send(socket_.file, Kind::kCancel, {}, -1, [] { return false; });
    }
    if (!endless) return go_on(deadline);
    if (!go_on(Clock::time_point::max())) return false;
    too_slow_ = stays_stopped();
    return !too_slow_;
  };
  for (int count = 0; count < kMostReports; ++count) {
    wire::Message message;
    // Also while messages come so fast that nothing is ever waited for.
    const Moved moved = while_made()
                            ? wire::receive(socket_.file, wire::kMostToElement, message, while_made)
                            : Moved::kStopped;
    if (moved != Moved::kWhole) return ended(moved, during);
    if (message.kind == Kind::kAnswer && message.descriptor.file < 0) {
      answer = std::move(message.body);
      return {};
    }
    if (!take || !take(message))
      return senseless("message " + std::to_string(static_cast<uint32_t>(message.kind)) + " " +
                       during);
  }
  return senseless("too many messages " + during);
}

bool EngineProcess::alive() {
  if (socket_.file < 0) return false;
  pollfd look{socket_.file, POLLIN, 0};
  // Nothing is said between calls: whatever comes then is its end, or makes no sense.
  if (poll(&look, 1, 0) == 0) return true;
  socket_.shut();
  child_.kill_and_reap();
  return false;
}

}  // namespace ovii2v
