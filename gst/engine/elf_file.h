// Reads an ELF file piece by piece, whatever is in it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace ovii2v::elf {

using Ehdr = ElfW(Ehdr);
using Phdr = ElfW(Phdr);

/// what() says what the file is or has: "is truncated: ...".
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn]] void truncated();
[[noreturn]] void damaged(const char* what);

/// What Wrong says of a file that is not there.
inline constexpr char kNoSuchFile[] = "no such file";

/// A regular file. It is not mapped: a mapping would die with a file that shrinks.
class File {
 public:
  /// Throws Wrong when it cannot be opened or is no regular file; never blocks.
  explicit File(const std::string& path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Whether `size` bytes from `offset` are in it.
  bool holds(uint64_t offset, uint64_t size) const {
    return offset <= size_ && size <= size_ - offset;
  }
  /// Throws Wrong when they are not, or cannot be read.
  void read(uint64_t offset, void* to, uint64_t size) const;
  template <typename T>
  std::vector<T> table(uint64_t offset, uint64_t count) const {
    // A damaged size must not become a large allocation.
    if (count > kMaxTable / sizeof(T)) damaged("a table is too large");
    std::vector<T> made(count);
    if (count > 0) read(offset, made.data(), count * sizeof(T));
    return made;
  }

 private:
  static constexpr uint64_t kMaxTable = 256u << 20;  // far above the engine's
  int descriptor_;
  uint64_t size_;
};

/// The headers of a shared library for this machine; throws Wrong for anything else.
struct Headers {
  explicit Headers(const File& file);

  Ehdr head;
  std::vector<Phdr> segments;
};

/// The build ID of an ELF file (bytes of its NT_GNU_BUILD_ID note); empty when it has none or
/// cannot be read.
std::string build_id_of_file(const std::string& path);

/// The same of notes in memory or in a file.
std::string build_id_in_notes(const uint8_t* notes, size_t size);

}  // namespace ovii2v::elf
