// Writes JSON, for the summaries that programs read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ovii2v::tools {

/// Objects and arrays are opened and closed in turn; in an object each value has a name.
///
///     JsonWriter json;
///     json.begin_object();
///     json.add("seed", int64_t{7});
///     json.end_object();
class JsonWriter {
 public:
  void begin_object(std::string_view name = {}) { open(name, '{'); }
  void end_object() { close('}'); }
  void begin_array(std::string_view name = {}) { open(name, '['); }
  void end_array() { close(']'); }

  /// Bytes that are no UTF-8 become U+FFFD.
  void add(std::string_view name, std::string_view text);
  void add(std::string_view name, const char* text) { add(name, std::string_view(text)); }
  void add(std::string_view name, const std::string& text) { add(name, std::string_view(text)); }
  void add(std::string_view name, int64_t number);
  void add(std::string_view name, uint64_t number);
  void add(std::string_view name, int number) { add(name, int64_t{number}); }
  void add(std::string_view name, unsigned number) { add(name, uint64_t{number}); }
  /// null where it is not finite.
  void add(std::string_view name, double number);
  void add(std::string_view name, bool value);

  const std::string& text() const { return text_; }

 private:
  void begin(std::string_view name);
  void open(std::string_view name, char bracket);
  void close(char bracket);

  std::string text_;
  size_t depth_ = 0;
  bool first_ = true;
};

}  // namespace ovii2v::tools
