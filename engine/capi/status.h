// Exceptions stop here and become statuses.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>

#include "ovi/engine.h"

namespace ovi::capi {

/// Turns the exception in flight into a status, and fills `error` (may be null).
ovi_status status_of_current_exception(ovi_error* error);

/// Runs `body`; no exception gets out.
template <typename Body>
ovi_status guard(ovi_error* error, Body body) {
  try {
    body();
    return OVI_OK;
  } catch (...) {
    return status_of_current_exception(error);
  }
}

/// The caller's struct as this library knows it: fields beyond its size are zero.
template <typename Struct>
Struct read_struct(const Struct* given) {
  Struct known{};
  std::memcpy(&known, given, std::min<size_t>(given->size, sizeof(Struct)));
  return known;
}

/// Writes as much as the caller has room for, and keeps its size.
template <typename Struct>
void write_struct(Struct* given, const Struct& known) {
  if (given == nullptr) return;
  const uint32_t size = given->size;
  std::memcpy(given, &known, std::min<size_t>(size, sizeof(Struct)));
  given->size = size;
}

}  // namespace ovi::capi
