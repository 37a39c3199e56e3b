// Reading a mapped file that was cut short, or whose disk fails, ends a process with SIGBUS.
// Here it reads zeros instead, and the mapping is marked.
//
// While there are mappings, this library has a handler of SIGBUS. A fault outside of them goes
// on to the handler that was there before, with that one's signal mask, or to the system's
// default. With the last mapping the one before is put back, unless somebody has put another on
// top. A host that installs its own later, and does not pass faults on, ends as it would have.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>
#include <cstddef>

namespace ovi {

class MappingGuard {
 public:
  /// [begin, begin + size) is a read-only mapping of a file until the guard goes. Any thread.
  MappingGuard(const void* begin, size_t size);
  ~MappingGuard();
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

  /// A read has failed: from there to its end the mapping now shows zeros.
  bool failed() const;

  struct Region;

 private:
  Region* region_;
};

/// While it lives, this thread and those it starts take SIGBUS: one who blocks it is killed by
/// a fault without being asked.
class FaultsTaken {
 public:
  FaultsTaken();
  ~FaultsTaken();
  FaultsTaken(const FaultsTaken&) = delete;
  FaultsTaken& operator=(const FaultsTaken&) = delete;

 private:
  sigset_t before_;
};

}  // namespace ovi
