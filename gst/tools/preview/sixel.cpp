// Sixels: bands of six rows, each colour of a band for itself (DEC's VT330/VT340 manual).
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "preview/escapes.h"

namespace ovii2v::tools {
namespace {

constexpr unsigned kBand = 6;
constexpr std::array<unsigned, 3> kLevels = {6, 7, 6};  // 252 colours; green is seen best

/// Of a channel; the dithering moves it up where the remainder is larger than the threshold.
unsigned level(uint8_t value, unsigned levels, unsigned threshold) {
  return (value * (levels - 1) * 16 + threshold * 255) / (255 * 16);
}

/// The register of pixel x, y.
unsigned colour_of(const uint8_t* rgb, unsigned x, unsigned y) {
  static constexpr unsigned kBayer[4][4] = {
      {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
  const unsigned threshold = kBayer[y % 4][x % 4];
  unsigned colour = 0;
  for (unsigned c = 0; c < 3; ++c)
    colour = colour * kLevels[c] + level(rgb[c], kLevels[c], threshold);
  return colour;
}

std::string definition(unsigned colour) {
  const unsigned blue = colour % kLevels[2], green = colour / kLevels[2] % kLevels[1],
                 red = colour / kLevels[2] / kLevels[1];
  const auto percent = [](unsigned value, unsigned levels) {
    return std::string(";") + std::to_string((value * 100 + (levels - 1) / 2) / (levels - 1));
  };
  return std::string("#") + std::to_string(colour) + ";2" + percent(red, kLevels[0]) +
         percent(green, kLevels[1]) + percent(blue, kLevels[2]);
}

void add_run(std::string& text, char sixel, size_t count) {
  if (count > 3)
    text.append("!").append(std::to_string(count)).append(1, sixel);
  else
    text.append(count, sixel);
}

/// One colour's line of a band; `bits` is a column's rows.
std::string line_of(const std::vector<uint8_t>& bits) {
  std::string text;
  for (size_t first = 0; first < bits.size();) {
    size_t end = first + 1;
    while (end < bits.size() && bits[end] == bits[first]) ++end;
    add_run(text, static_cast<char>('?' + bits[first]), end - first);
    first = end;
  }
  return text;
}

}  // namespace

std::string sixel_picture(const Pixels& pixels) {
  std::vector<unsigned> colours;
  for (unsigned y = 0; y < pixels.height; ++y)
    for (unsigned x = 0; x < pixels.width; ++x)
      colours.push_back(colour_of(pixels.row(y) + size_t{3} * x, x, y));
  std::array<bool, 256> used{};
  for (const unsigned colour : colours) used[colour] = true;

  std::string text =
      "\033P0;1;0q\"1;1;" + std::to_string(pixels.width) + ";" + std::to_string(pixels.height);
  for (unsigned colour = 0; colour < used.size(); ++colour)
    if (used[colour]) text += definition(colour);
  for (unsigned top = 0; top < pixels.height; top += kBand) {
    std::array<std::vector<uint8_t>, 256> bits;
    for (unsigned y = top; y < std::min(top + kBand, pixels.height); ++y) {
      for (unsigned x = 0; x < pixels.width; ++x) {
        std::vector<uint8_t>& column = bits[colours[size_t{y} * pixels.width + x]];
        column.resize(pixels.width);
        column[x] = static_cast<uint8_t>(column[x] | 1u << (y - top));
      }
    }
    if (top) text += "-";
    bool first = true;
    for (unsigned colour = 0; colour < bits.size(); ++colour) {
      if (bits[colour].empty()) continue;
      if (!first) text += "$";
      first = false;
      text.append("#").append(std::to_string(colour)).append(line_of(bits[colour]));
    }
  }
  return text + "\033\\";
}

}  // namespace ovii2v::tools
