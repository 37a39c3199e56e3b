// Numbers in messages, the same in every country: the C library's and the streams' follow the
// locale of the host.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

namespace ovi {

/// Rounded up: "8 s".
std::string whole_seconds(std::chrono::milliseconds time);

/// As few digits as tell it from every other number: "1.5", "1e+30", "nan".
std::string decimal(double value);

/// With `digits` (40 at most) behind the point: "5.04".
std::string decimal(double value, int digits);

/// With `digits` (40 at most) that count: "0.34", "1.2e-09".
std::string significant(double value, int digits);

}  // namespace ovi
