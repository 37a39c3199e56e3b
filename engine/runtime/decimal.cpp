// SPDX-License-Identifier: Apache-2.0
#include "runtime/decimal.h"

#include <charconv>

namespace ovi {

std::string whole_seconds(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

std::string decimal(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string decimal(double value, int digits) {
  char text[400];  // of the largest number 309 stand before the point
  const auto fixed = std::chars_format::fixed;
  return {text, std::to_chars(text, text + sizeof text, value, fixed, digits).ptr};
}

std::string significant(double value, int digits) {
  char text[64];
  const auto general = std::chars_format::general;
  return {text, std::to_chars(text, text + sizeof text, value, general, digits).ptr};
}

}  // namespace ovi
