// Writes JSON, for the summaries that programs read.
// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <glib.h>

#include <cmath>

namespace ovii2v::tools {
namespace {

std::string quoted(std::string_view text) {
  g_autofree gchar* valid = g_utf8_make_valid(text.data(), static_cast<gssize>(text.size()));
  std::string result = "\"";
  for (const char* at = valid; *at; ++at) {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte == '"' || byte == '\\') {
      result += '\\';
      result += *at;
    } else if (byte == '\n') {
      result += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      g_autofree gchar* code = g_strdup_printf("\\u%04x", static_cast<unsigned>(byte));
      result += code;
    } else {
      result += *at;
    }
  }
  return result + "\"";
}

}  // namespace

void JsonWriter::begin(std::string_view name) {
  if (!first_) text_ += ',';
  if (depth_ > 0) text_.append(1, '\n').append(2 * depth_, ' ');
  first_ = false;
  if (!name.empty()) text_ += quoted(name) + ": ";
}

void JsonWriter::open(std::string_view name, char bracket) {
  begin(name);
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  --depth_;
  if (!first_) text_.append(1, '\n').append(2 * depth_, ' ');
  text_ += bracket;
  first_ = false;
}

void JsonWriter::add(std::string_view name, std::string_view text) {
  begin(name);
  text_ += quoted(text);
}

void JsonWriter::add(std::string_view name, int64_t number) {
  begin(name);
  text_ += std::to_string(number);
}

void JsonWriter::add(std::string_view name, uint64_t number) {
  begin(name);
  text_ += std::to_string(number);
}

void JsonWriter::add(std::string_view name, double number) {
  begin(name);
  if (!std::isfinite(number)) {
    text_ += "null";
    return;
  }
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  text_ += g_ascii_formatd(buffer, sizeof buffer, "%.10g", number);
}

void JsonWriter::add(std::string_view name, bool value) {
  begin(name);
  text_ += value ? "true" : "false";
}

}  // namespace ovii2v::tools
