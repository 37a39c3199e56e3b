// The threads that LibTorch computes on.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <exception>
#include <functional>
#include <string>

#include "runtime/error.h"

namespace ovi {

/// For a thread of the engine's own: the application's handlers run on the application's.
void leave_signals_to_the_application();

/// Makes LibTorch's OpenMP threads sleep instead of spin while they wait for one
/// another, so that encoders and other elements beside them get the cores. Costs
/// nothing when the machine is idle. Once a process; any thread.
void wait_politely();

/// LibTorch computes on OpenMP threads, a set for each thread that calls it, and OpenMP ends the
/// process when it may not start one. So they are tried here before, once a thread that calls.
/// Throws Error(kNoSpace) when the system gives too few.
void try_threads();

/// Error(kNoSpace) of threads that the system did not give, with the ways out.
Error no_threads(const std::string& reason);

/// Throws what the start of a thread has thrown: that Error for what the system refused, and all
/// else, such as memory that ended, as it is.
[[noreturn]] void throw_no_threads(const std::exception_ptr& refused);

/// Runs `work`, and throws what it throws. A CPU's work runs here. That of any other
/// device runs on a thread which stays and is used again, with `device` as its current
/// one, while this thread waits: LibTorch keeps cuDNN's execution plans thread by thread
/// and never frees them, so that a new thread for each clip would make all plans anew,
/// and leave the old ones behind in memory. What runs at the same time has a thread each.
void on_lasting_thread(const c10::Device& device, const std::function<void()>& work);

}  // namespace ovi
