// The folder that a conversion writes to.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/model_folder.h"

namespace ovi {

/// Makes the folders that are missing, and removes those again unless keep() was called. What a
/// killed conversion left there goes. Locked for other conversions as long as it lives.
class ConversionTarget {
 public:
  /// `relative`: all files that will be placed. Throws Error kSettings: something is there (without
  /// `force`), a file would replace one of the model that is read, or another conversion writes
  /// there; kNotAuthorized, kFailed.
  ConversionTarget(const std::string& target, const ModelFolder& model,
                   const std::vector<std::string>& relative, bool force);
  ~ConversionTarget();
  ConversionTarget(const ConversionTarget&) = delete;
  ConversionTarget& operator=(const ConversionTarget&) = delete;

  std::string place(const std::string& relative) const;

  /// Throws Error(kNoSpace) with needed and free GiB.
  void require_space(uint64_t bytes) const;
  /// A list of digests that was there is gone: it will not hold any more.
  void begin_publishing() const;
  /// The names in all folders are on the disk.
  void sync() const;
  void keep() { made_.clear(); }

 private:
  /// Throws Error(kSettings) for weights there that are not replaced, and for linked folders.
  void require_alone(const std::vector<std::string>& relative) const;
  void make_folder(const std::string& path);
  void lock();
  void remove_made();

  std::string root_;
  int lock_ = -1;
  std::vector<std::string> folders_;  // with files
  std::vector<std::string> made_;     // by us, the outermost first
};

}  // namespace ovi
