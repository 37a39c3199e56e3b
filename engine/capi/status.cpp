// SPDX-License-Identifier: Apache-2.0
#include "capi/status.h"

#include <cstring>
#include <string>

#include "capi/plain_text.h"
#include "runtime/error.h"
#include "runtime/failure.h"

namespace ovi::capi {
namespace {

ovi_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kCancelled:
      return OVI_CANCELLED;
    case ErrorKind::kNotFound:
      return OVI_NOT_FOUND;
    case ErrorKind::kNotAuthorized:
      return OVI_NOT_AUTHORIZED;
    case ErrorKind::kOpenRead:
      return OVI_OPEN_READ;
    case ErrorKind::kRead:
      return OVI_READ;
    case ErrorKind::kFormat:
      return OVI_FORMAT;
    case ErrorKind::kLibraryInit:
      return OVI_LIBRARY_INIT;
    case ErrorKind::kNoSpace:
      return OVI_NO_SPACE;
    case ErrorKind::kSettings:
      return OVI_SETTINGS;
    case ErrorKind::kRankGone:
      return OVI_RANK_GONE;
    case ErrorKind::kFailed:
      break;
  }
  return OVI_FAILED;
}

template <size_t N>
void copy_text(char (&to)[N], const std::string& from, Lines lines) {
  const std::string plain = plain_text(from, N - 1, lines);
  std::memcpy(to, plain.c_str(), plain.size() + 1);
}

ovi_status fill(ovi_error* error, ovi_status status, const std::string& message,
                const std::string& detail) {
  if (error == nullptr) return status;
  ovi_error known{};
  known.size = sizeof known;
  known.status = status;
  copy_text(known.message, message, Lines::kOne);
  copy_text(known.detail, detail, Lines::kMany);
  write_struct(error, known);
  return status;
}

}  // namespace

ovi_status status_of_current_exception(ovi_error* error) {
  try {
    const Error known = error_in_flight();
    return fill(error, status_of(known.kind()), known.what(), known.detail());
  } catch (...) {
    // There was not even memory for the message.
    if (error == nullptr) return OVI_NO_SPACE;
    ovi_error known{};
    known.status = OVI_NO_SPACE;
    std::strncpy(known.message, out_of_host_memory(), sizeof known.message - 1);
    write_struct(error, known);
    return OVI_NO_SPACE;
  }
}

}  // namespace ovi::capi
