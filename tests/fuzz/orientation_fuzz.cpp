// Bytes as what says which way up a picture is: an EXIF block, an XMP packet, a PNG's raw profile.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_input.h"
#include "orientation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ovii2v::picture::Bytes bytes{{data, size}};
  for (const int found : {ovii2v::picture::exif_orientation(bytes),
                          ovii2v::picture::xmp_orientation(text),
                          ovii2v::picture::raw_profile_orientation(text)})
    fuzz::expect(found >= 0 && found <= 8, "an orientation outside 0 to 8");
  return 0;
}
