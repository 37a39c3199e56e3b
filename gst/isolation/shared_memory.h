// Memory that one process fills and another one maps: sealed, so that nothing about it changes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "child_process.h"

namespace ovii2v {

/// A memfd of `bytes` which `fill` writes: with the descriptor, at offsets from 0. It is sealed
/// against writing, shrinking and growing. `error` is an errno where there is none.
Descriptor make_shared(size_t bytes, const std::function<bool(int file)>& fill, int& error);
/// Of bytes that lie together.
Descriptor make_shared(const void* data, size_t bytes, int& error);
/// All of it to the descriptor at `offset`; false with errno set.
bool write_at(int file, const void* data, size_t bytes, size_t offset);

/// Mapped for reading.
struct SharedMemory {
  void* data = nullptr;
  size_t bytes = 0;
  SharedMemory() = default;
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
};

/// What another process sent, which need not be what it says: it is memory, sealed against writing
/// and shrinking, `bytes` long, and there as a whole. Null otherwise: `error` is an errno, or 0
/// when it is not what it should be. The descriptor stays the caller's.
std::unique_ptr<SharedMemory> map_shared(int file, size_t bytes, int& error);

}  // namespace ovii2v
