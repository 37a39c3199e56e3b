// Bytes as a picture file of any kind that is decoded.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_input.h"
#include "still.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovii2v::picture::Limits limits;
  limits.most_pixels = 1 << 18;
  limits.most_bytes = 1 << 20;
  const ovii2v::picture::Decoded picture = ovii2v::picture::decode_still({data, size}, limits);
  if (picture.outcome != ovii2v::Outcome::kPicture) {
    fuzz::expect_message(picture.text, ovii2v::AnswerHead::kMostText);
    return 0;
  }
  fuzz::expect(picture.width > 0 && picture.height > 0, "a picture without a size");
  fuzz::expect(uint64_t{picture.width} * picture.height <= limits.most_pixels,
               "more pixels than may be");
  fuzz::expect(picture.rgb.size() == size_t{3} * picture.width * picture.height,
               "pixels that do not fit the size");
  return 0;
}
