// An accelerator for tests: asynchronous, separate from the host, and with a memory
// that ends, on a machine that has none of this.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ovi::test::fake {

/// The one fake device. LibTorch knows it from the first call on: tensors, streams,
/// events, pinned memory, at::getDeviceAllocator and generators work as CUDA's do.
///
/// Every operation computes at once, on the host and with LibTorch's CPU kernels.
/// What a GPU would punish shows all the same:
/// - A tensor left on the CPU (but for one number) beside a fake one throws c10::Error.
/// - Each stream, and the host, has a clock, and knows of the others what events and
///   synchronisation told it. A read or write that is not after the last write (or read)
///   of those bytes, and memory freed or reused while another stream may still use it,
///   are recorded as violations.
/// - Copies from and to pinned memory with non_blocking happen as late as allowed: what
///   the host reads too early is nonsense, what it overwrites too early arrives changed.
/// - New memory is full of NaN.
/// - Before LibTorch has started the device, questions about its memory throw.
/// All threads of the host share one clock; the current stream is each thread's own.
c10::Device device();

/// Forgets counters, violations and peaks, empties the cache and sets the defaults: 64
/// GiB, none of it used by others. Tensors stay.
void reset();

/// Bytes on the device, and of them those that other processes hold. What does not fit
/// throws c10::OutOfMemoryError.
void set_memory(size_t total, size_t held_by_others = 0);

/// From now on everything that waits for the device throws c10::Error, as after an invalid
/// access on a GPU; until reset().
void break_down();

/// Bytes, exact (nothing is rounded); peaks since reset() or resetPeakStats.
struct Memory {
  size_t used = 0, peak = 0;
  size_t reserved = 0;  // used and cached: what was freed stays the process's until emptyCache
  size_t pinned = 0, pinned_peak = 0;
  size_t pinned_reserved = 0;  // likewise, until the host allocator's empty_cache
};
Memory memory();

/// How often the host had to wait for the device. Waiting for what is known to be done
/// is free.
struct Waits {
  int64_t device = 0, stream = 0, event = 0;  // of synchronise calls
  int64_t copies = 0;  // between the device and pageable memory, or not non_blocking
  int64_t values = 0;  // item(), equal(), nonzero(): the host needs a value
  int64_t memory = 0;  // the allocator waited for other streams before it gave up
  int64_t drains = 0;  // of all these, those that left the device with nothing to do

  int64_t all() const { return device + stream + event + copies + values + memory; }
};
Waits waits();

/// Operations and copies given to the device so far.
int64_t launches();

/// What was done without the order that a GPU needs; a test should find none.
std::vector<std::string> violations();

}  // namespace ovi::test::fake
