// What a decoder makes, and how it says that it cannot.
// SPDX-License-Identifier: Apache-2.0
#include "bitmap.h"

#include <algorithm>
#include <cstring>

namespace ovii2v::picture {

void check_size(uint64_t width, uint64_t height, const Limits& limits) {
  if (width == 0 || height == 0) throw Refusal(Outcome::kBroken, "it says that it has no pixels");
  if (width <= limits.most_pixels / height) return;
  constexpr uint64_t kMega = 1'000'000;
  const uint64_t most = limits.most_pixels;
  throw Refusal(Outcome::kTooLarge,
                "it has " + std::to_string(width) + "x" + std::to_string(height) +
                    " pixels, more than the " +
                    (most % kMega ? std::to_string(most) : std::to_string(most / kMega) + " mega") +
                    (most % kMega ? " " : "") + "pixels that are read");
}

Bitmap make_bitmap(uint64_t width, uint64_t height, const Limits& limits) {
  check_size(width, height, limits);
  Bitmap bitmap;
  bitmap.width = static_cast<uint32_t>(width);
  bitmap.height = static_cast<uint32_t>(height);
  bitmap.rgb.resize(size_t{3} * width * height);
  return bitmap;
}

void fill(Bitmap& bitmap, const uint8_t* color) {
  if (bitmap.rgb.empty() || !(color[0] | color[1] | color[2])) return;  // black it is
  // What is filled is copied behind itself.
  std::memcpy(bitmap.rgb.data(), color, 3);
  for (size_t done = 3; done < bitmap.rgb.size(); done *= 2)
    std::memcpy(bitmap.rgb.data() + done, bitmap.rgb.data(),
                std::min(done, bitmap.rgb.size() - done));
}

void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    const int white = 255 - cmyk[3];
    for (int c = 0; c < 3; ++c)
      rgb[c] = static_cast<uint8_t>(white - (cmyk[c] * white + 127) / 255);
  }
}

}  // namespace ovii2v::picture
