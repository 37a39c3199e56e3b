// Where a clip goes: a file that appears when it is whole, or a stream.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "target.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "words.h"

namespace ovii2v::tools {
namespace {

std::string folder_of(const std::string& path) {
  g_autofree gchar* folder = g_path_get_dirname(path.c_str());
  return folder;
}

std::string reason() { return g_strerror(errno); }

/// Follows links, so that the file is replaced and not the link to it.
std::string real_path(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  if (!real) return path;
  const std::string result = real;
  free(real);
  return result;
}

/// As any other program makes files.
mode_t usual_mode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

/// renameat2() is not known to every file system.
int rename_new(const char* from, const char* to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (link(from, to) == 0) return unlink(from);
  if (errno != EPERM && errno != ENOTSUP) return -1;
  if (exists(to)) {
    errno = EEXIST;
    return -1;
  }
  return rename(from, to);
}

}  // namespace

bool exists(const std::string& path) {
  struct stat there {};
  return lstat(path.c_str(), &there) == 0;
}

bool is_stream(const std::string& path) {
  struct stat there {};
  return stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode);
}

std::string Target::open(const std::string& path, bool force, const std::function<bool()>& wait) {
  discard();
  force_ = force;
  if (path == "-") {
    if (isatty(STDOUT_FILENO)) return "A clip is not written to a terminal: let stdout be a pipe.";
    stream_ = true;
    descriptor_ = dup(STDOUT_FILENO);
    return descriptor_ < 0 ? "Nothing can be written to stdout: " + reason() + "." : std::string();
  }
  const std::string name = shown_file(path);
  struct stat there {};
  if (stat(path.c_str(), &there) == 0) {
    if (S_ISDIR(there.st_mode)) return name + " is a folder: name the file in it.";
    if (S_ISBLK(there.st_mode)) return name + " is a disk.";
    if (!S_ISREG(there.st_mode)) {
      stream_ = true;
      do {
        descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
      } while (descriptor_ < 0 && errno == ENXIO && S_ISFIFO(there.st_mode) && wait());
      if (descriptor_ < 0) return name + " cannot be written: " + reason() + ".";
      fcntl(descriptor_, F_SETFL, 0);  // from here on whoever writes may wait
      return {};
    }
  }
  if (exists(path) && !force)
    return name + " is there already: choose another name, or --force to replace it.";
  path_ = real_path(path);
  const std::string folder = folder_of(path_);
  // Short, since the clip's own name may be as long as a name can be.
  std::string part = folder + "/.ovi-XXXXXX.part";
  descriptor_ = mkostemps(part.data(), 5, O_CLOEXEC);
  if (descriptor_ < 0) {
    const std::string why = reason();
    return name + " cannot be written: " +
           (errno == ENOENT ? "there is no folder " + shown_file(folder) : why) + ".";
  }
  part_ = part;
  fchmod(descriptor_, usual_mode());
  return {};
}

std::string Target::finish() {
  if (stream_) {
    stream_ = false;
    const bool good = close(descriptor_) == 0;
    descriptor_ = -1;
    return good ? std::string() : "The stream's end could not be written: " + reason() + ".";
  }
  // Written by name; the descriptor is of the same file. What a disk did not take is told here.
  if (fsync(descriptor_) != 0) {
    const std::string why = reason();
    discard();
    return shown_file(path_) + " could not be written: " + why + ".";
  }
  close(descriptor_);
  descriptor_ = -1;
  const int result =
      force_ ? rename(part_.c_str(), path_.c_str()) : rename_new(part_.c_str(), path_.c_str());
  if (result != 0) {
    const std::string why = errno == EEXIST ? "it is there meanwhile" : reason();
    std::string told = shown_file(path_) + " does not get its name: " + why + ".";
    if (exists(part_)) told += " The clip is whole, in " + shown_file(part_) + ".";
    part_.clear();
    return told;
  }
  part_.clear();
  return {};
}

void Target::discard() {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
  if (!part_.empty()) unlink(part_.c_str());
  part_.clear();
  stream_ = false;
}

}  // namespace ovii2v::tools
