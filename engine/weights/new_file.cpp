// SPDX-License-Identifier: Apache-2.0
#include "weights/new_file.h"

#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBegin = ".ovi-", kEnd = ".part";

[[noreturn]] void cannot_write(const std::string& path, int error) {
  const std::string reason = std::generic_category().message(error);
  const std::string name = "'" + path + "'";
  switch (error) {
    case ENOSPC:
      throw Error(ErrorKind::kNoSpace,
                  "The disk is full: " + name +
                      " could not be written to its end. Free some "
                      "space, or choose a folder on another disk.",
                  reason);
    case EDQUOT:
      throw Error(ErrorKind::kNoSpace,
                  "The quota on the disk is used up: " + name +
                      " could not be written to its end. "
                      "Free some space, or choose a folder on another disk.",
                  reason);
    case EFBIG:
      throw Error(ErrorKind::kNoSpace,
                  name +
                      " is larger than a file may be here. Raise the limit (ulimit -f), or "
                      "choose a folder on a file system that holds such files.",
                  reason);
    case EACCES:
    case EPERM:
      throw Error(ErrorKind::kNotAuthorized,
                  "May not write " + name +
                      "; check who owns the folder and its permissions, or "
                      "choose another one.",
                  reason);
    case EROFS:
      throw Error(ErrorKind::kNotAuthorized,
                  name +
                      " cannot be written: its disk is read-only. Choose a folder on another "
                      "one.",
                  reason);
    default:
      throw Error(ErrorKind::kFailed, name + " cannot be written: " + reason + ".");
  }
}

/// As any other program makes files.
mode_t usual_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

struct Sha256::State {
  State() : sum(g_checksum_new(G_CHECKSUM_SHA256)) {}
  ~State() { g_checksum_free(sum); }
  GChecksum* sum;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::add(const void* bytes, size_t length) {
  g_checksum_update(state_->sum, static_cast<const guchar*>(bytes), static_cast<gssize>(length));
}

std::string Sha256::digits() { return g_checksum_get_string(state_->sum); }

NewFile::NewFile(const std::string& path, uint64_t bytes) : path_(path) {
  const fs::path folder = fs::path(path).parent_path();
  std::string part =
      ((folder.empty() ? fs::path(".") : folder) / (std::string(kBegin) + "XXXXXX")).string();
  part += kEnd;
  descriptor_ = ::mkostemps(part.data(), static_cast<int>(kEnd.size()), O_CLOEXEC);
  if (descriptor_ < 0) fail(errno);
  part_ = part;
  ::flock(descriptor_, LOCK_EX | LOCK_NB);
  ::fchmod(descriptor_, usual_mode());
  if (bytes == 0) return;
  // A full disk is better known now than after minutes. Not every file system can.
  const int error = ::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  if (error == ENOSPC || error == EFBIG || error == EDQUOT) {
    ::close(std::exchange(descriptor_, -1));
    ::unlink(part_.c_str());
    cannot_write(path_, error);
  }
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      part_(std::exchange(other.part_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      digest_(std::move(other.digest_)) {}

NewFile::~NewFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!part_.empty()) ::unlink(part_.c_str());
}

void NewFile::fail(int error) const { cannot_write(path_, error); }

void NewFile::write(const void* bytes, size_t length) {
  digest_.add(bytes, length);
  const auto* from = static_cast<const uint8_t*>(bytes);
  while (length > 0) {
    const ssize_t count = ::write(descriptor_, from, length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(errno);
    from += count;
    length -= static_cast<size_t>(count);
  }
}

std::string NewFile::finish() {
  // What a disk did not take is told here.
  if (::fsync(descriptor_) != 0) fail(errno);
  // Gigabytes that nobody reads again soon; and who verifies them is to read the disk.
  ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
  return digest_.digits();
}

void NewFile::publish() {
  if (::rename(part_.c_str(), path_.c_str()) != 0) fail(errno);
  part_.clear();
  ::close(std::exchange(descriptor_, -1));
}

bool is_leftover(std::string_view name) {
  return name.starts_with(kBegin) && name.ends_with(kEnd) &&
         name.size() == kBegin.size() + 6 + kEnd.size();
}

namespace {

/// Calls `visit` with each unpublished file whose program is gone.
void each_leftover(const std::string& folder, const std::function<void(const fs::path&)>& visit) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!is_leftover(entry.path().filename().string())) continue;
    const int descriptor =
        ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) continue;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) visit(entry.path());
    ::close(descriptor);
  }
}

}  // namespace

void remove_leftovers(const std::string& folder) {
  each_leftover(folder, [](const fs::path& path) { ::unlink(path.c_str()); });
}

bool has_leftovers(const std::string& folder) {
  bool found = false;
  each_leftover(folder, [&](const fs::path&) { found = true; });
  return found;
}

void sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace ovi
