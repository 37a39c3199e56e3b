// How the processes that a launcher started as ranks find each other.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "parallel/agreement.h"
#include "runtime/cancel.h"

namespace ovi::parallel {

/// Where a launcher put this process.
struct Place {
  int64_t rank = 0, size = 1;
  int64_t local_rank = 0;  // among those of its machine
  std::string host;        // of rank 0, or of the launcher's own store
  uint16_t port = 0;
  bool store_is_there = false;  // the launcher serves it, as torchrun does
  std::string launcher;         // "torchrun", "mpirun", "Slurm"
};

using Environment = std::function<const char*(const char* name)>;  // null: not set

/// From the variables that torchrun, mpirun (Open MPI, MPICH) or srun set; none where they do not.
/// Of several launchers' the first in this order count: who starts torchrun by srun means the former.
/// Throws Error(kSettings) for one that is missing or makes no sense.
std::optional<Place> place_in(const Environment& environment);

/// What ranks say of themselves when they meet. Of another release they do not work together.
struct Introduction {
  std::string release;
  std::string device;  // "cuda:1"
};

/// As rank 0 serves the ranks' store, and waits for the others; or as one of the others reaches it.
/// All have come then. Throws Error that names who is missing, too many or of another release; the
/// others throw the same. kCancelled soon after `cancel`, which may be null, is triggered.
std::shared_ptr<Agreement> meet(const Place& place, const Introduction& own, Patience patience,
                                const Cancel* cancel = nullptr);

/// As one of the others that cannot take part: rank 0 is told why, if it can be reached, and all
/// ranks fail with that.
void excuse(const Place& place, const Error& why, Patience patience);

/// Throws Error(kSettings) where a variable names a network that this machine has not: what Gloo
/// takes.
void check_network(const Environment& environment);

/// Of this machine, where a rank at `place` can be reached by the others.
std::string own_address(const Place& place);

/// OVI_RANKS_PATIENCE=SECONDS for those that are late, if it is set.
Patience patience_in(const Environment& environment);

}  // namespace ovi::parallel
