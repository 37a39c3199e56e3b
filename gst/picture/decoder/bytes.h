// A file's bytes with a known end, read in either byte order.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ovii2v::picture {

/// Reads beyond the end give 0; has() tells beforehand.
struct Bytes {
  std::span<const uint8_t> data;
  bool little = false;  // byte order of u16() and u32()

  size_t size() const { return data.size(); }
  bool has(size_t at, size_t count) const { return at <= size() && count <= size() - at; }
  uint8_t u8(size_t at) const { return has(at, 1) ? data[at] : 0; }
  uint32_t u16(size_t at) const {
    if (!has(at, 2)) return 0;
    const uint32_t a = data[at], b = data[at + 1];
    return little ? b << 8 | a : a << 8 | b;
  }
  uint32_t u32(size_t at) const {
    if (!has(at, 4)) return 0;
    return little ? u16(at + 2) << 16 | u16(at) : u16(at) << 16 | u16(at + 2);
  }
  uint64_t u64(size_t at) const {
    if (!has(at, 8)) return 0;
    const uint64_t a = u32(at), b = u32(at + 4);
    return little ? b << 32 | a : a << 32 | b;
  }
  bool starts(size_t at, std::string_view text) const {
    return has(at, text.size()) && std::memcmp(data.data() + at, text.data(), text.size()) == 0;
  }
  /// At most `count` bytes from `at` on.
  Bytes part(size_t at, size_t count) const {
    at = at < size() ? at : size();
    return {data.subspan(at, count < size() - at ? count : size() - at), little};
  }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
};

}  // namespace ovii2v::picture
