// The bytes of a picture in memory, from a data: URI or by a GStreamer source element.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "messages.h"
#include "picture/location.h"

namespace ovii2v {

/// So much is fetched of one picture, and for so long.
struct FetchBudget {
  uint64_t bytes = 256 << 20;
  int seconds = 60;
};

/// Whether the form of a data: URI is right.
std::optional<Failure> check_data(const Location& location);
/// What is missing to read `location`, as far as the registry of elements tells.
std::optional<Failure> check_remote(const Location& location);

/// A memfd with the bytes of a data: URI; to be closed by the caller, or -1 with `failure` set.
int read_data(const Location& location, const FetchBudget& budget, std::optional<Failure>& failure);

/// The same of a remote file. Follows at most 5 redirects within its scheme. -1 with `failure`
/// unset once `cancelled` is true: within 0.1 s, whatever the source does.
int fetch_remote(const Location& location, const FetchBudget& budget,
                 const std::atomic<bool>& cancelled, std::optional<Failure>& failure);

}  // namespace ovii2v
