// A file that is there when it is whole, and not before.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ovi {

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) = delete;

  void add(const void* bytes, size_t length);
  /// 64 hexadecimal digits; nothing can be added after it.
  std::string digits();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Written under a name of its own in the same folder, which goes with the object when the file
/// was not published. That name is locked meanwhile: remove_leftovers() tells it from one whose
/// program was killed.
class NewFile {
 public:
  /// `bytes`: of the whole file, which are reserved where the file system can. Throws Error
  /// kNotAuthorized, kNoSpace (the disk, a quota, a limit on files' sizes) or kFailed, each with
  /// the file's name and the way out.
  NewFile(const std::string& path, uint64_t bytes);
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;

  const std::string& path() const { return path_; }

  /// Appends. Errors as above.
  void write(const void* bytes, size_t length);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Everything is on the disk when this returns; its digest.
  std::string finish();
  /// A finished file gets its name; an older one of that name is gone.
  void publish();

 private:
  [[noreturn]] void fail(int error) const;

  std::string path_, part_;
  int descriptor_ = -1;
  Sha256 digest_;
};

/// Removes unpublished files in `folder` whose program is gone. Errors are not told.
void remove_leftovers(const std::string& folder);
/// Whether there are any.
bool has_leftovers(const std::string& folder);
/// Whether a name is one of an unpublished file.
bool is_leftover(std::string_view name);

/// The names in a folder are on the disk when this returns. Errors are not told.
void sync_folder(const std::string& folder);

}  // namespace ovi
