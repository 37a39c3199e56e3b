// What the fuzz tests share: bytes as a file, and what holds of every message.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// libFuzzer's entry point. Returns when the input was read or refused as the reader's header
/// says; anything else ends the process.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace fuzz {

/// Ends the process, so that the input is kept.
[[noreturn]] inline void wrong(const char* what, std::string_view found = {}) {
  std::fprintf(stderr, "wrong: %s: %.*s\n", what, static_cast<int>(found.size()), found.data());
  std::abort();
}

inline void expect(bool holds, const char* what) {
  if (!holds) wrong(what);
}

/// A file in memory that has a path, so that readers run as they do for users.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
    if (fd_ < 0) std::abort();
    while (size > 0) {
      const ssize_t written = ::write(fd_, data, size);
      if (written <= 0) std::abort();
      data += written;
      size -= static_cast<size_t>(written);
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// A message goes to logs and terminals: as it leaves, it is short and UTF-8 without control
/// characters, whatever the input holds.
inline void expect_message(std::string_view message, size_t most) {
  if (message.empty()) wrong("no message");
  if (message.size() > most) wrong("a long message", message.substr(0, 200));
  for (size_t i = 0; i < message.size();) {
    const auto lead = static_cast<unsigned char>(message[i]);
    if (lead < 0x80) {
      if (lead < 0x20 || lead == 0x7F) wrong("a control character", message);
      ++i;
      continue;
    }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || i + length > message.size()) wrong("no UTF-8", message);
    for (size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(message[i + k]) & 0xC0) != 0x80) wrong("no UTF-8", message);
    i += length;
  }
}

}  // namespace fuzz
