// The engine's functions, run by a process of its own.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "engine/gstovii2vloader.h"
#include "isolation/engine_process.h"

namespace ovii2v {

/// Fills the table of functions that an engine in the process fills too (ovi/engine.h's contract),
/// so that who calls them need not know. Each handle of ovi_engine_create() has a process of its
/// own; one that was killed because a cancel was not answered, or that ended while it had nothing
/// to do, is replaced when it is next asked. Frames and samples are memory that the process filled,
/// mapped here: ovi_buffer_release() gives it back, also when the process is long gone. One
/// element's: one thread calls at a time, and there is one ovi_cancel at a time, which counts for
/// all calls: from its trigger on a call has Patience::cancel to end.
class IsolatedEngine {
 public:
  /// Starts the first process, for the first handle, so that what is missing is told now.
  /// Null with `error` filled where it cannot be. `program`: another than the installed one.
  static std::unique_ptr<IsolatedEngine> open(WorkerError& error, const Patience& patience = {},
                                              const std::string& program = {});
  ~IsolatedEngine();
  IsolatedEngine(const IsolatedEngine&) = delete;
  IsolatedEngine& operator=(const IsolatedEngine&) = delete;

  const Engine& table() const { return table_; }
  /// Of its processes; for the log.
  struct Shared;

 private:
  explicit IsolatedEngine(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;
  Engine table_;
};

}  // namespace ovii2v
