// SPDX-License-Identifier: Apache-2.0
#include "pipeline/conversion_target.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "runtime/decimal.h"
#include "runtime/error.h"
#include "weights/file_search.h"
#include "weights/new_file.h"
#include "weights/published.h"
#include "weights/sums_file.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMargin = uint64_t{16} << 20;  // for the file system's own blocks

std::string gib(uint64_t bytes) {
  const bool large = bytes >= uint64_t{1} << 30;
  return decimal(static_cast<double>(bytes) / static_cast<double>(large ? 1 << 30 : 1 << 20), 1) +
         (large ? " GiB" : " MiB");
}

/// Nothing but what killed conversions left.
bool holds_nothing(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(error) ? !holds_nothing(entry.path()) : !is_leftover(name)) return false;
  }
  return !error;
}

[[noreturn]] void cannot_make(const std::string& path, int error) {
  const std::string reason = std::generic_category().message(error);
  if (error == EACCES || error == EPERM || error == EROFS) {
    throw Error(ErrorKind::kNotAuthorized,
                "May not make the folder '" + path + "' (" + reason +
                    "); check who owns the folder above it, or choose another one.");
  }
  throw Error(error == ENOSPC ? ErrorKind::kNoSpace : ErrorKind::kFailed,
              "The folder '" + path + "' cannot be made: " + reason + ".");
}

}  // namespace

ConversionTarget::ConversionTarget(const std::string& target, const ModelFolder& model,
                                   const std::vector<std::string>& relative, bool force)
    : root_(target) {
  if (target.empty()) throw Error(ErrorKind::kSettings, "No folder to write to is named.");
  std::error_code error;
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw Error(ErrorKind::kSettings,
                "'" + target + "' is a file; name a new folder for the converted model.");
  }
  for (const std::string& file : relative) {
    for (const std::string* source : {&model.fusion, &model.text_encoder, &model.spiece_model,
                                      &model.video_vae, &model.audio_vae, &model.vocoder}) {
      if (fs::equivalent(place(file), *source, error) && !error) {
        throw Error(ErrorKind::kSettings, "'" + place(file) +
                                              "' is a file of the model that is converted: choose "
                                              "another folder to write to.");
      }
    }
  }
  try {
    make_folder(target);
    lock();
    if (!force && !holds_nothing(target)) {
      throw Error(ErrorKind::kSettings, "'" + target +
                                            "' is there already and is not empty: choose another "
                                            "folder, or --force to write into it.");
    }
    require_alone(relative);
    std::set<std::string> folders;
    for (const std::string& file : relative) folders.insert(fs::path(place(file)).parent_path());
    folders_.assign(folders.begin(), folders.end());
    for (const std::string& folder : folders_) {
      make_folder(folder);
      remove_leftovers(folder);
    }
  } catch (const Error&) {
    remove_made();
    throw;
  }
}

// By the folder itself, so that nothing is left of it. A file system without locks goes without.
void ConversionTarget::lock() {
  lock_ = ::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  throw Error(ErrorKind::kSettings, "Another conversion is writing to '" + root_ +
                                        "': wait for its end, or choose another folder.");
}

// What is written is to be the model that is found there, and nobody else's folder.
void ConversionTarget::require_alone(const std::vector<std::string>& relative) const {
  std::error_code error;
  std::set<fs::path> ours;
  // Other variants beside this one share what else is written.
  for (const PublishedVariant& variant : published_variants())
    ours.insert(fs::weakly_canonical(place(fusion_name(variant.variant)), error));
  for (const std::string& file : relative) {
    ours.insert(fs::weakly_canonical(place(file), error));
    for (fs::path folder = fs::path(file).parent_path(); !folder.empty();
         folder = folder.parent_path()) {
      const fs::path link = fs::path(root_) / folder;
      if (fs::symlink_status(link, error).type() != fs::file_type::symlink) continue;
      throw Error(ErrorKind::kSettings, "'" + link.string() +
                                            "' is a link to another folder: choose a folder to "
                                            "write to that has none.");
    }
  }
  for (const std::string& path : find_weight_files({root_}).weights) {
    if (ours.contains(fs::weakly_canonical(path, error))) continue;
    throw Error(ErrorKind::kSettings, "'" + root_ + "' holds other weights ('" + path +
                                          "'), which may be taken instead of what is written: "
                                          "choose an empty folder.");
  }
}

ConversionTarget::~ConversionTarget() { remove_made(); }

void ConversionTarget::remove_made() {
  for (auto at = made_.rbegin(); at != made_.rend(); ++at) ::rmdir(at->c_str());
  made_.clear();
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
}

void ConversionTarget::make_folder(const std::string& path) {
  std::error_code error;
  if (path.empty() || fs::is_directory(path, error)) return;
  make_folder(fs::path(path).parent_path().string());
  if (::mkdir(path.c_str(), 0777) == 0) {
    made_.push_back(path);
  } else if (errno != EEXIST || !fs::is_directory(path, error)) {
    cannot_make(path, errno);
  }
}

std::string ConversionTarget::place(const std::string& relative) const {
  return (fs::path(root_) / relative).string();
}

void ConversionTarget::require_space(uint64_t bytes) const {
  struct statvfs there {};
  if (::statvfs(root_.c_str(), &there) != 0) return;
  const uint64_t free = static_cast<uint64_t>(there.f_bavail) * there.f_frsize;
  if (free >= bytes + kMargin) return;
  throw Error(ErrorKind::kNoSpace, "The converted model needs " + gib(bytes) + ", but '" + root_ +
                                       "' has " + gib(free) +
                                       " free. Free some space, or choose a folder on another "
                                       "disk.");
}

void ConversionTarget::begin_publishing() const { ::unlink(place(kSumsFile).c_str()); }

void ConversionTarget::sync() const {
  for (const std::string& folder : folders_) sync_folder(folder);
  // The folders' own names.
  sync_folder(root_);
  const fs::path above = fs::path(root_).parent_path();
  sync_folder(above.empty() ? "." : above.string());
}

}  // namespace ovi
