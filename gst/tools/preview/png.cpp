// A picture as a PNG file (ISO/IEC 15948): 8-bit RGB, rows as they are. GLib compresses them.
// SPDX-License-Identifier: Apache-2.0
#include "preview/png.h"

#include <gio/gio.h>

namespace ovii2v::tools {
namespace {

uint32_t checksum(const std::string& bytes) {
  uint32_t sum = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = sum & 1 ? (sum >> 1) ^ 0xEDB88320u : sum >> 1;
  }
  return ~sum;
}

std::string number(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string chunk(const char* type, const std::string& data) {
  const std::string summed = type + data;
  return number(static_cast<uint32_t>(data.size())) + summed + number(checksum(summed));
}

std::string compressed(const std::string& bytes) {
  g_autoptr(GZlibCompressor) zlib = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 6);
  // More than zlib ever makes of them.
  std::string out(bytes.size() + bytes.size() / 100 + 1024, '\0');
  gsize read = 0, written = 0;
  const GConverterResult result =
      g_converter_convert(G_CONVERTER(zlib), bytes.data(), bytes.size(), out.data(), out.size(),
                          G_CONVERTER_INPUT_AT_END, &read, &written, nullptr);
  out.resize(result == G_CONVERTER_FINISHED ? written : 0);
  return out;
}

}  // namespace

std::string png_of(const Pixels& pixels) {
  std::string rows;
  for (unsigned y = 0; y < pixels.height; ++y) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(pixels.row(y)), size_t{3} * pixels.width);
  }
  const std::string data = compressed(rows);
  if (data.empty()) return {};
  const std::string format{8, 2, 0, 0, 0};  // bits, RGB, and the only ways there are
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", number(pixels.width) + number(pixels.height) + format) +
         chunk("IDAT", data) + chunk("IEND", "");
}

}  // namespace ovii2v::tools
