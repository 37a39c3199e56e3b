// A decoder that was built without libheif: what it says of AVIF and HEIC, and that others go on.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <string>

#include "still.h"

using namespace ovii2v;
using namespace ovii2v::picture;

namespace {

Decoded decode(const std::string& file) {
  return decode_still({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, Limits{});
}

int failures = 0;

void expect(bool right, const std::string& what) {
  if (right) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
}

}  // namespace

int main() {
  for (const char* brand : {"avif", "heic", "mif1"}) {
    const std::string file = std::string("\0\0\0\x18", 4) + "ftyp" + brand + std::string(40, '\0');
    const Decoded said = decode(file);
    expect(said.outcome == Outcome::kNoDecoder, std::string(brand) + " is refused");
    for (const char* part : {"without libheif", "install libheif-dev", "-Dheif=enabled"})
      expect(said.text.find(part) != std::string::npos, said.text);
  }
  // A GIF of one red pixel.
  const std::string gif(
      "GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;", 35);
  const Decoded said = decode(gif);
  expect(said.outcome == Outcome::kPicture && said.rgb == ovii2v::picture::Pixels{255, 0, 0},
         "a GIF is read: " + said.text);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
