// SPDX-License-Identifier: Apache-2.0
#include "weights/zero_parts.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/error.h"
#include "weights/mapped_file.h"

namespace ovi {
namespace {

constexpr size_t kPage = 4096;                        // bytes; aligned, so one request to a disk
constexpr size_t kSmallFile = size_t{16} << 20;       // bytes
constexpr size_t kPlacesOfSmall = 256, kPlaces = 64;  // a hard disk needs 10 ms a place
constexpr size_t kFewest = 4;                         // zero pages; fewer are no part of a file

}  // namespace

std::string zero_parts_of(const std::string& path) try {
  const auto file = MappedFile::open(path);
  const size_t pages = file->size() / kPage;
  const size_t places = std::min(pages, file->size() <= kSmallFile ? kPlacesOfSmall : kPlaces);
  std::vector<uint8_t> page(kPage);
  size_t zero = 0;
  for (size_t i = 0; i < places; ++i) {
    const size_t number = (2 * i + 1) * pages / (2 * places);
    file->read(number * kPage, page.data(), kPage);
    zero += std::all_of(page.begin(), page.end(), [](uint8_t byte) { return byte == 0; });
  }
  if (zero < kFewest || zero * 10 < places) return {};
  return "About " + std::to_string(100 * zero / places) + " % of '" + path +
         "' is zeros, as an interrupted download leaves it: fetch the file again.";
} catch (const Error&) {
  return {};
}

}  // namespace ovi
