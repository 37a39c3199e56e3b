// The one reader of JSON: bounded in depth, bytes and values, strict about repeated names.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ovi {

/// What a text may ask for. The defaults are ample for a file that a person wrote.
struct JsonLimits {
  int depth = 8;                    ///< lists and objects within each other
  size_t bytes = size_t{1} << 20;   ///< of the text
  size_t values = size_t{1} << 17;  ///< names included; one may take 40 times its text's bytes
};

/// `what()` goes on with a sentence that begins with the file: "is nested too deeply".
class JsonProblem : public std::runtime_error {
 public:
  explicit JsonProblem(const std::string& what, std::string detail = {})
      : std::runtime_error(what), detail_(std::move(detail)) {}
  /// For the log; may be empty.
  const std::string& detail() const { return detail_; }

 private:
  std::string detail_;
};

/// What the text says. Never deeper than the limit, so that copies, comparisons and dumps of it,
/// which recurse, cannot overflow the stack. Throws JsonProblem for a text that is not JSON, is
/// past a limit, names one member of an object twice, or has a name longer than 1024 bytes.
nlohmann::json parse_json(std::string_view text, const JsonLimits& limits = {});

/// What the file says. Throws Error as MappedFile::open() and read(), and kFormat that names
/// file and problem, with `way_out` at the end of the message.
nlohmann::json read_json(const std::string& path, const std::string& way_out = {},
                         const JsonLimits& limits = {});

/// The value as an error shows it: ASCII, of at most 80 characters.
std::string brief(const nlohmann::json& value);
/// The same of a name, without quotation marks.
std::string brief_name(const std::string& name);

}  // namespace ovi
