// A whole file, mapped read-only, for as long as anyone holds it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "weights/mapping_guard.h"

namespace ovi {

/// Never written to: a write through the mapping ends the process, so a tensor
/// over it is read-only whatever its type says.
class MappedFile {
 public:
  /// Throws Error kNotFound, kNotAuthorized, kOpenRead (a folder, a device, the
  /// system's own reason) or kRead (empty).
  static std::shared_ptr<const MappedFile> open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// As given to open().
  const std::string& path() const { return path_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(data_), size_}; }

  /// Asks the system to begin reading a range from disk. A range that is not
  /// wholly in the file is ignored.
  void will_need(size_t offset, size_t length) const;

  /// Throws Error(kRead) when the file became shorter, or a read through the mapping failed and
  /// gave zeros (see MappingGuard): to be asked before anything made from it is believed. Takes
  /// microseconds.
  void check() const;

  /// Copies bytes out of the file, not through the mapping: throws Error(kRead) where
  /// that would end the process, because the file became shorter or its disk fails.
  void read(size_t offset, void* to, size_t length) const;

 private:
  MappedFile(std::string path, int descriptor, const uint8_t* data, size_t size);

  std::string path_;
  int descriptor_;
  const uint8_t* data_;
  size_t size_;
  MappingGuard guard_;
};

}  // namespace ovi
