// Opening and mapping; every way it can fail is told apart here.
// SPDX-License-Identifier: Apache-2.0
#include "weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace ovi {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& path, int error) {
  const std::string reason = std::generic_category().message(error);
  if (error == ENOENT || error == ENOTDIR) {
    throw Error(ErrorKind::kNotFound, "There is no file '" + path + "'.", reason);
  }
  if (error == EACCES || error == EPERM) {
    throw Error(ErrorKind::kNotAuthorized,
                "May not read '" + path + "'; check who owns it and its permissions.", reason);
  }
  if (error == ENOMEM) {
    throw Error(ErrorKind::kNoSpace,
                "Out of host memory: '" + path +
                    "' cannot be mapped. Close what else uses it, or allow this program more "
                    "(ulimit -v, vm.max_map_count).",
                reason);
  }
  throw Error(ErrorKind::kOpenRead, "Cannot open '" + path + "': " + reason + ".");
}

[[noreturn]] void became_shorter(const std::string& path) {
  throw Error(ErrorKind::kRead, "'" + path +
                                    "' became shorter while it was being read: another program "
                                    "changes it. Wait for it, or download the file again.");
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // Without O_NONBLOCK a named pipe would wait for a writer for ever.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(path, errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) fail(path, errno);
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::kOpenRead, "'" + path + "' is a folder, not a file.");
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kOpenRead, "'" + path + "' is not a regular file.");
  }
  if (status.st_size == 0) {
    throw Error(ErrorKind::kRead, "'" + path + "' is empty: download it again.");
  }
  if (static_cast<uint64_t>(status.st_size) > std::numeric_limits<size_t>::max()) {
    fail(path, EFBIG);
  }
  const size_t size = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) fail(path, errno);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, file.release(), static_cast<const uint8_t*>(data), size));
}

MappedFile::MappedFile(std::string path, int descriptor, const uint8_t* data, size_t size)
    : path_(std::move(path)),
      descriptor_(descriptor),
      data_(data),
      size_(size),
      guard_(data, size) {}

MappedFile::~MappedFile() {
  ::munmap(const_cast<uint8_t*>(data_), size_);
  ::close(descriptor_);
}

void MappedFile::read(size_t offset, void* to, size_t length) const {
  auto* out = static_cast<uint8_t*>(to);
  // The whole range at once: a disk is at its speed only with many requests under way.
  ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(length),
                  POSIX_FADV_WILLNEED);
  while (length > 0) {
    const ssize_t count = ::pread(descriptor_, out, length, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Error(ErrorKind::kRead,
                  "Cannot read '" + path_ + "': " + std::generic_category().message(errno) + ".");
    }
    if (count == 0) became_shorter(path_);
    out += count;
    offset += static_cast<size_t>(count);
    length -= static_cast<size_t>(count);
  }
}

void MappedFile::check() const {
  struct stat status;
  // The rest of a page that the file no longer fills reads as zeros, without a fault.
  if (::fstat(descriptor_, &status) != 0) fail(path_, errno);
  if (static_cast<uint64_t>(status.st_size) < size_) became_shorter(path_);
  if (!guard_.failed()) return;
  throw Error(ErrorKind::kRead, "'" + path_ +
                                    "' could not be read to its end: it was truncated while it was "
                                    "in use, or its disk failed. Check the disk, or download the "
                                    "file again.");
}

void MappedFile::will_need(size_t offset, size_t length) const {
  if (offset > size_ || length > size_ - offset || length == 0) return;
  static const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = offset / page * page;
  // Only advice: nothing is lost when the system does not take it.
  ::madvise(const_cast<uint8_t*>(data_) + begin, offset + length - begin, MADV_WILLNEED);
}

}  // namespace ovi
