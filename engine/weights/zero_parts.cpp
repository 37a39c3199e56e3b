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
constexpr size_t kMostRead = size_t{32} << 20;        // bytes, of a stretch that looks empty

bool is_zero(const uint8_t* bytes, size_t count) {
  return std::all_of(bytes, bytes + count, [](uint8_t byte) { return byte == 0; });
}

/// Whether the pages from `first` to `last` hold nothing at all, as far as they are read. Weights
/// may be zeros of their own, tensor after tensor, but each is as long as its name says, and in an
/// archive something stands between them.
bool is_empty(const MappedFile& file, size_t first, size_t last) {
  constexpr size_t kPiece = size_t{1} << 20;  // bytes
  const size_t end = std::min(last * kPage, first * kPage + kMostRead);
  std::vector<uint8_t> piece(kPiece);
  for (size_t at = first * kPage; at < end; at += kPiece) {
    const size_t count = std::min(kPiece, end - at);
    file.read(at, piece.data(), count);
    if (!is_zero(piece.data(), count)) return false;
  }
  return true;
}

}  // namespace

std::string zero_parts_of(const std::string& path) try {
  const auto file = MappedFile::open(path);
  const size_t pages = file->size() / kPage;
  const size_t places = std::min(pages, file->size() <= kSmallFile ? kPlacesOfSmall : kPlaces);
  std::vector<uint8_t> page(kPage);
  size_t first = 0, run = 0, longest_first = 0, longest = 0;  // page; places
  for (size_t i = 0; i < places; ++i) {
    const size_t number = (2 * i + 1) * pages / (2 * places);
    file->read(number * kPage, page.data(), kPage);
    if (!is_zero(page.data(), kPage)) {
      run = 0;
      continue;
    }
    if (run++ == 0) first = number;
    if (run > longest) longest = run, longest_first = first;
  }
  if (longest < kFewest || longest * 10 < places) return {};
  if (!is_empty(*file, longest_first, longest_first + (longest - 1) * pages / places)) return {};
  return "About " + std::to_string(100 * longest / places) + " % of '" + path +
         "' is zeros, as an interrupted download leaves it: fetch the file again.";
} catch (const Error&) {
  return {};
}

}  // namespace ovi
