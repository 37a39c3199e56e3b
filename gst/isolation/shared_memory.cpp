// Memory that one process fills and another one maps: sealed, so that nothing about it changes.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "isolation/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace ovii2v {

bool write_at(int file, const void* data, size_t bytes, size_t offset) {
  for (size_t at = 0; at < bytes;) {
    const ssize_t put = pwrite(file, static_cast<const char*>(data) + at, bytes - at,
                               static_cast<off_t>(offset + at));
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) errno = ENOSPC;
    if (put <= 0) return false;
    at += static_cast<size_t>(put);
  }
  return true;
}

// Written, not mapped: where memory ends that is an errno and no signal.
Descriptor make_shared(size_t bytes, const std::function<bool(int)>& fill, int& error) {
  Descriptor made(memfd_create("ovii2v", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool whole =
      made.file >= 0 && ftruncate(made.file, static_cast<off_t>(bytes)) == 0 && fill(made.file) &&
      fcntl(made.file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
  error = whole ? 0 : errno;
  return whole ? std::move(made) : Descriptor();
}

Descriptor make_shared(const void* data, size_t bytes, int& error) {
  return make_shared(
      bytes, [&](int file) { return write_at(file, data, bytes, 0); }, error);
}

SharedMemory::~SharedMemory() {
  if (data) munmap(data, bytes);
}

std::unique_ptr<SharedMemory> map_shared(int file, size_t bytes, int& error) {
  error = 0;
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_WRITE;
  const int seals = fcntl(file, F_GET_SEALS);  // fails where it is no memfd
  struct stat info {};
  if (seals < 0 || (seals & kNeeded) != kNeeded || fstat(file, &info) != 0 || bytes == 0 ||
      info.st_size < 0 || static_cast<uint64_t>(info.st_size) != bytes)
    return nullptr;
  // A hole would be filled when it is read, at this process's cost.
  constexpr uint64_t kBlock = 512;
  if (static_cast<uint64_t>(info.st_blocks) * kBlock < bytes) return nullptr;
  std::unique_ptr<SharedMemory> mapped(new (std::nothrow) SharedMemory);
  if (!mapped) {
    error = ENOMEM;
    return nullptr;
  }
  // Private: a kernel before 6.7 maps what is sealed against writing in no other way. Nobody
  // writes, so no page is copied.
  void* const data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED) {
    error = errno;
    return nullptr;
  }
  mapped->data = data;
  mapped->bytes = bytes;
  return mapped;
}

}  // namespace ovii2v
