// Memory for pixels that nobody fills before they are decoded.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

namespace ovii2v::picture {

/// Zeros from the system: a page is touched when something is written to it, so that a head which
/// promises 100 megapixels and a file that ends behind it cost nothing.
template <typename T>
struct ZeroPages {
  using value_type = T;
  T* allocate(size_t count) {
    if (void* zeros = std::calloc(count, sizeof(T))) return static_cast<T*>(zeros);
    throw std::bad_alloc();
  }
  void deallocate(T* zeros, size_t) noexcept { std::free(zeros); }
  void construct(T*) noexcept {}  // zero already
  bool operator==(const ZeroPages&) const { return true; }
};

/// Resized once, from nothing.
using Pixels = std::vector<uint8_t, ZeroPages<uint8_t>>;

}  // namespace ovii2v::picture
