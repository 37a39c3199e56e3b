// Interrupted downloads: files of the right size that are zeros in part.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ovi {

/// A sentence that names the file and what to do when one stretch of a tenth of it or more is
/// nothing but zeros, as a download that was interrupted, or whose room was taken beforehand,
/// leaves it; else empty. Looks at 256 places at most, 64 of a large file: milliseconds; only
/// a stretch that looks empty is read, up to 32 MiB. A file that cannot be read is not its affair.
std::string zero_parts_of(const std::string& path);

}  // namespace ovi
