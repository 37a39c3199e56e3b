// One worker process with the engine in it: started, asked, believed nothing, and gone.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "child_process.h"
#include "isolation/engine_messages.h"
#include "isolation/wire.h"
#include "ovi/engine.h"

namespace ovii2v {

/// The status of an error that is not the engine's: the process that it ran in has ended.
/// RESOURCE FAILED. (What the enumeration of the engine may hold, and it does not use.)
constexpr auto kWorkerDied = static_cast<ovi_status>(15);

/// How long a worker is waited for.
struct Patience {
  std::chrono::milliseconds start{60'000};   // opening the engine, LibTorch from a slow disk
  std::chrono::milliseconds answer{60'000};  // a folder looked at, a plan
  std::chrono::milliseconds cancel{2'000};   // a model block's end; then it is killed
  std::chrono::milliseconds stopped{5'000};  // somebody may let it go on
};

/// When what is made was cancelled; set by one thread, looked at by another.
class Cancelling {
 public:
  void trigger();
  void reset() { at_ = 0; }
  bool triggered() const { return at_ != 0; }
  /// For at least that long.
  bool since(std::chrono::milliseconds time) const;

 private:
  std::atomic<int64_t> at_{0};  // ns of the steady clock
};

/// What went wrong, as ovi_error has it. `status` is OVI_CANCELLED where it was given up.
struct WorkerError {
  ovi_status status = OVI_OK;
  std::string message, detail;
};

class EngineProcess {
 public:
  /// What comes before an answer. A message that is not taken (false) makes no sense.
  using Take = std::function<bool(wire::Message&)>;

  EngineProcess(const Patience& patience, const Cancelling& cancelling)
      : patience_(patience), cancelling_(cancelling) {}
  EngineProcess(const EngineProcess&) = delete;
  EngineProcess& operator=(const EngineProcess&) = delete;

  /// Starts it, and waits until it has opened the engine. OVI_OK, or an error.
  WorkerError start(const std::string& program);
  const wire::Hello& hello() const { return hello_; }

  /// Asks for one thing, hands what comes to `take`, and fills `answer` with the body of the
  /// answer. A call that `endless` says may take any time. Where an error is returned the process
  /// is gone: ended, or killed.
  WorkerError call(wire::Kind kind, const std::string& body, int descriptor, bool endless,
                   const Take& take, std::string& answer);
  /// Kills it, since what it says makes no sense: the error for that.
  WorkerError senseless(const std::string& what);
  /// Not in a call: whether it is still there.
  bool alive();
  pid_t id() const { return child_.id(); }

 private:
  WorkerError ended(wire::Moved moved, const std::string& during);
  bool go_on(std::chrono::steady_clock::time_point deadline);
  bool stays_stopped();
  WorkerError failed(const std::string& message, const std::string& detail = {},
                     ovi_status status = kWorkerDied);

  const Patience patience_;
  const Cancelling& cancelling_;
  std::string program_;
  ChildProcess child_;
  Descriptor socket_;  // closed before the process is reaped
  wire::Hello hello_;
  bool too_slow_ = false;
  std::chrono::steady_clock::time_point looked_;  // whether it is stopped,
  std::chrono::steady_clock::duration stopped_{0};  // and for how long it was seen so
};

}  // namespace ovii2v
