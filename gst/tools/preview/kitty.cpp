// Kitty's graphics protocol, which Ghostty and WezTerm have too:
// https://sw.kovidgoyal.net/kitty/graphics-protocol/
// SPDX-License-Identifier: Apache-2.0
#include <glib.h>

#include "preview/escapes.h"

namespace ovii2v::tools {

std::string kitty_picture(const Pixels& pixels, uint32_t id, unsigned columns, unsigned rows) {
  constexpr size_t kChunk = 4096;  // of base64, at most
  g_autofree gchar* base64 = g_base64_encode(pixels.rgb.data(), pixels.rgb.size());
  const std::string data = base64;
  const auto key = [](const char* name, uint64_t value) {
    return std::string(",") + name + "=" + std::to_string(value);
  };
  // Show it, 24 bits a pixel, no answer, one placement, the cursor stays.
  std::string keys = "a=T,f=24,q=2,p=1,C=1" + key("i", id) + key("s", pixels.width) +
                     key("v", pixels.height) + key("c", columns) + key("r", rows) + ",";
  std::string text;
  for (size_t first = 0; first < data.size(); first += kChunk) {
    const bool more = first + kChunk < data.size();
    text += "\033_G" + keys + (more ? "m=1;" : "m=0;") + data.substr(first, kChunk) + "\033\\";
    keys = "q=2,";
  }
  return text;
}

}  // namespace ovii2v::tools
