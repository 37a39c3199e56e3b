// All numbers are little-endian; every one is checked before it is followed.
// SPDX-License-Identifier: Apache-2.0
#include "weights/zip_directory.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"

namespace ovi {

namespace {

constexpr uint32_t kLocalMagic = 0x04034b50, kEntryMagic = 0x02014b50, kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50, kLocator64Magic = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22;
constexpr uint64_t kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr uint64_t kMaxComment = 0xffff;
// A record a tensor: the largest published file has some 2,000.
constexpr uint64_t kMaxRecords = 100'000, kMaxDirectoryBytes = uint64_t{16} << 20;
constexpr uint64_t kIn64 = 0xffffffff;  // the value is in the ZIP64 field
constexpr uint16_t kZip64Field = 1, kEncrypted = 1, kStored = 0;

}  // namespace

ZipDirectory::ZipDirectory(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  const uint64_t end = find_end();
  uint64_t count = number(end + 10, 2);
  uint64_t size = number(end + 12, 4);
  uint64_t begin = number(end + 16, 4);
  if (end >= kLocator64Bytes && number(end - kLocator64Bytes, 4) == kLocator64Magic) {
    const uint64_t end64 = number(end - kLocator64Bytes + 8, 8);
    check_range(end64, kEnd64Bytes, "the ZIP64 end");
    if (number(end64, 4) != kEnd64Magic) damaged("no ZIP64 end where its locator points");
    count = number(end64 + 32, 8);
    size = number(end64 + 40, 8);
    begin = number(end64 + 48, 8);
  }
  check_range(begin, size, "the directory");
  if (count > size / kEntryBytes) damaged("its directory is too short for its records");
  if (count > kMaxRecords || size > kMaxDirectoryBytes) {
    throw Error(ErrorKind::kFormat,
                "'" + file_->path() + "' is a zip of too many records for a torch file: " +
                    std::to_string(count) + ". Download it again.",
                "its directory has " + std::to_string(size) + " bytes");
  }
  read_entries(begin, begin + size, count);
}

void ZipDirectory::damaged(const std::string& detail) const {
  throw Error(ErrorKind::kRead,
              "'" + file_->path() + "' is truncated or damaged: download it again.", detail);
}

uint64_t ZipDirectory::number(uint64_t at, int width) const {
  uint64_t value = 0;
  for (int i = width; i-- > 0;) value = value << 8 | file_->data()[at + static_cast<uint64_t>(i)];
  return value;
}

void ZipDirectory::check_range(uint64_t at, uint64_t length, const char* what) const {
  if (at > file_->size() || length > file_->size() - at) {
    damaged(std::string(what) + " lies outside the file");
  }
}

/// The last bytes of the file, but for a comment of a length that they name.
uint64_t ZipDirectory::find_end() const {
  const uint64_t size = file_->size();
  if (size >= kEndBytes) {
    for (uint64_t comment = 0; comment <= std::min(kMaxComment, size - kEndBytes); ++comment) {
      const uint64_t at = size - kEndBytes - comment;
      if (number(at, 4) == kEndMagic && number(at + 20, 2) == comment) return at;
    }
  }
  damaged("no zip directory at its end");
}

void ZipDirectory::read_entries(uint64_t at, uint64_t end, uint64_t count) {
  std::string folder;  // of the first record, with its '/'
  for (uint64_t i = 0; i < count; ++i) {
    if (end - at < kEntryBytes || number(at, 4) != kEntryMagic) damaged("a directory entry");
    const uint64_t name_bytes = number(at + 28, 2), extra_bytes = number(at + 30, 2);
    const uint64_t all_bytes = kEntryBytes + name_bytes + extra_bytes + number(at + 32, 2);
    if (end - at < all_bytes) damaged("a directory entry");
    std::string_view name = file_->bytes().substr(at + kEntryBytes, name_bytes);
    Entry entry{static_cast<uint16_t>(number(at + 8, 2)), static_cast<uint16_t>(number(at + 10, 2)),
                number(at + 20, 4), number(at + 24, 4), number(at + 42, 4)};
    const uint64_t extra = at + kEntryBytes + name_bytes;
    read_zip64(entry, extra, extra + extra_bytes);
    if (i == 0) folder = name.substr(0, name.find('/') + 1);
    if (name.starts_with(folder)) name.remove_prefix(folder.size());
    if (!entries_.emplace(name, entry).second) damaged("a record is there twice");
    at += all_bytes;
  }
}

/// Values that do not fit 32 bits stand in an extra field, in this order.
void ZipDirectory::read_zip64(Entry& entry, uint64_t at, uint64_t end) const {
  while (end - at >= 4) {
    const uint64_t kind = number(at, 2), length = number(at + 2, 2);
    at += 4;
    if (length > end - at) return;  // padding, as some writers leave
    if (kind == kZip64Field) {
      uint64_t value = at;
      for (uint64_t* field : {&entry.size, &entry.stored_size, &entry.header}) {
        if (*field != kIn64) continue;
        if (at + length - value < 8) damaged("a ZIP64 field is too short");
        *field = number(value, 8);
        value += 8;
      }
      return;
    }
    at += length;
  }
}

ZipDirectory::Record ZipDirectory::record(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) damaged("no record " + name);
  const Entry& entry = found->second;
  if (entry.method != kStored || (entry.flags & kEncrypted) || entry.stored_size != entry.size) {
    throw Error(ErrorKind::kFormat,
                "'" + file_->path() + "' was packed again by a zip program; its tensors are " +
                    "compressed. Use the original file, or save it again with torch.save.",
                "record " + name);
  }
  check_range(entry.header, kLocalBytes, "a record");
  if (number(entry.header, 4) != kLocalMagic) damaged("record " + name + " has no header");
  const uint64_t offset = entry.header + kLocalBytes + number(entry.header + 26, 2) +
                          number(entry.header + 28, 2);  // name and padding
  check_range(offset, entry.size, "a record");
  return {offset, entry.size};
}

std::string_view ZipDirectory::bytes(const std::string& name) const {
  const Record found = record(name);
  return file_->bytes().substr(found.offset, found.size);
}

}  // namespace ovi
