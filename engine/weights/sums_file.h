// SHA256SUMS: the digests of a folder's files, as sha256sum(1) writes and checks them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

namespace ovi {

inline constexpr const char* kSumsFile = "SHA256SUMS";

/// Relative path to 64 hexadecimal digits.
using Sums = std::map<std::string, std::string>;

/// One line a file: digits, two spaces, path.
std::string sums_text(const Sums& sums);

/// Reads `folder`/SHA256SUMS. Throws Error kNotFound where there is none, and kFormat for a line
/// that is none, or whose path leads out of the folder.
Sums read_sums(const std::string& folder);

/// Digits of a file's bytes, read piece by piece, `on_bytes` being told how many each time; it may
/// throw to end it. Throws Error as MappedFile::open() and read().
std::string sha256_of_file(const std::string& path,
                           const std::function<void(uint64_t bytes)>& on_bytes);

}  // namespace ovi
