// A JSON object of texts, numbers and truth values: written in ASCII, read strictly.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ovii2v {

using FlatValue = std::variant<std::string, int64_t, double, bool>;
using FlatObject = std::vector<std::pair<std::string, FlatValue>>;

/// One line. Texts are UTF-8; whatever is not ASCII becomes \uXXXX. Numbers read as they were.
std::string write_flat_json(const FlatObject& object);

/// The object that `text` begins with, and with `used` how many bytes it has. False with `problem`
/// ("has no quote at byte 17") for what is not JSON, holds objects, lists or null, names a member
/// twice, or is past a limit; texts are UTF-8 without NUL. Takes time in proportion to the text.
bool read_flat_json(std::string_view text, FlatObject& object, size_t& used, std::string& problem);

}  // namespace ovii2v
