// The directory of a zip whose records are stored uncompressed, as torch.save
// writes them (PKWARE APPNOTE 6.3.10, section 4.3; with its ZIP64 fields, for
// files above 4 GiB). Reads nothing but the directory.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weights/mapped_file.h"

namespace ovi {

class ZipDirectory {
 public:
  struct Record {
    uint64_t offset, size;  ///< bytes, within the file
  };

  /// Throws Error kRead: no directory, or one that points out of the file.
  explicit ZipDirectory(std::shared_ptr<const MappedFile> file);

  /// Names are without the folder that the first record lies in.
  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  /// Of a record that is there. Throws Error kFormat (compressed or encrypted)
  /// or kRead (out of the file's range).
  Record record(const std::string& name) const;
  std::string_view bytes(const std::string& name) const;

 private:
  struct Entry {
    uint16_t flags, method;
    uint64_t stored_size, size, header;
  };

  [[noreturn]] void damaged(const std::string& detail) const;
  uint64_t number(uint64_t at, int width) const;
  void check_range(uint64_t at, uint64_t length, const char* what) const;
  uint64_t find_end() const;
  void read_entries(uint64_t at, uint64_t end, uint64_t count);
  void read_zip64(Entry& entry, uint64_t at, uint64_t end) const;

  std::shared_ptr<const MappedFile> file_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace ovi
