// What may go wrong inside the engine, as one exception type that capi/ turns
// into an ovi_status. Categories are those of ovi/engine.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace ovi {

enum class ErrorKind {
  kCancelled,
  kNotFound,
  kNotAuthorized,
  kOpenRead,
  kRead,
  kFormat,
  kLibraryInit,
  kNoSpace,
  kSettings,
  kFailed,
  kRankGone,
};

/// `what()` is one sentence for the user: the thing, and the way out.
/// `detail()` is for the log: where it happened, expected and found.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string detail = {})
      : std::runtime_error(message), kind_(kind), detail_(std::move(detail)) {}

  ErrorKind kind() const { return kind_; }
  const std::string& detail() const { return detail_; }

 private:
  ErrorKind kind_;
  std::string detail_;
};

}  // namespace ovi
