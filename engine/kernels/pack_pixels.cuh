// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/items.cuh"
#include "kernels/pixels.h"

namespace ovi::kernels {

struct PackPixelsArgs {
  int64_t frames = 0, height = 0, width = 0;
  int64_t of_channel = 0, of_frame = 0, of_row = 0, of_column = 0;  // strides in elements
  Element element = Element::kFloat;
  Pixels pixels = Pixels::kRgb;
  int32_t aligned = 0;  // four pixels of a channel lie together, on 16 bytes of float
  const void* video = nullptr;
  uint8_t* out = nullptr;  // frame after frame, on 4 bytes
};

/// Four neighbouring pixels of a row an item; of two rows for Y'CbCr 4:2:0.
template <typename T>
struct PackPixels {
  static constexpr int kColumns = 4;
  PackPixelsArgs a;

  OVI_PORTABLE bool yuv() const { return a.pixels == Pixels::kI420 || a.pixels == Pixels::kNv12; }
  OVI_PORTABLE int64_t items() const {
    return a.frames * (yuv() ? a.height / 2 : a.height) * (a.width / kColumns);
  }

  OVI_PORTABLE void item(int64_t index) const {
    const auto [line, group] = divide(index, a.width / kColumns);
    const auto [frame, row] = divide(line, yuv() ? a.height / 2 : a.height);
    if (yuv())
      pack_yuv(frame, row, group * kColumns);
    else
      pack_rgb(frame, row, group * kColumns);
  }

 private:
  OVI_PORTABLE const T* at(int channel, int64_t frame, int64_t row, int64_t column) const {
    return static_cast<const T*>(a.video) + channel * a.of_channel + frame * a.of_frame +
           row * a.of_row + column * a.of_column;
  }

  OVI_PORTABLE void fetch(int channel, int64_t frame, int64_t row, int64_t column,
                          float* values) const {
    const T* from = at(channel, frame, row, column);
    if (a.aligned) {
      const auto pack = portable::load<kColumns>(from);
      for (int i = 0; i < kColumns; ++i) values[i] = portable::to_float(pack.v[i]);
    } else {
      for (int i = 0; i < kColumns; ++i) values[i] = portable::to_float(from[i * a.of_column]);
    }
  }

  OVI_PORTABLE void pack_rgb(int64_t frame, int64_t row, int64_t column) const {
    uint8_t bytes[3][kColumns];
    for (int c = 0; c < 3; ++c) {
      float values[kColumns];
      fetch(c, frame, row, column, values);
      for (int i = 0; i < kColumns; ++i)
        bytes[c][i] = portable::to_byte(portable::product(values[i], 127.5f) + 127.5f);
    }
    const int64_t pixel = (frame * a.height + row) * a.width + column;
    if (a.pixels == Pixels::kRgb) {
      portable::Pack<uint8_t, 4> packs[3];
      for (int i = 0; i < 12; ++i) packs[i / 4].v[i % 4] = bytes[i % 3][i / 3];
      for (int i = 0; i < 3; ++i) portable::store<4>(a.out + 3 * pixel + 4 * i, packs[i]);
      return;
    }
    const int first = a.pixels == Pixels::kBgrx ? 2 : 0;
    portable::Pack<uint8_t, 16> pack;
    for (int i = 0; i < kColumns; ++i) {
      pack.v[4 * i] = bytes[first][i];
      pack.v[4 * i + 1] = bytes[1][i];
      pack.v[4 * i + 2] = bytes[2 - first][i];
      pack.v[4 * i + 3] = 255;
    }
    portable::store<16>(a.out + 4 * pixel, pack);
  }

  struct Weights {
    float red, green, blue, cb, cr;
  };
  // ITU-R BT.709-6: luma of item 3.2, and 224 / (2 (1 - weight)) for the colour differences.
  static OVI_PORTABLE Weights weights() {
    return {0.2126f, 0.7152f, 0.0722f, static_cast<float>(224.0 / (2.0 * (1.0 - 0.0722))),
            static_cast<float>(224.0 / (2.0 * (1.0 - 0.2126)))};
  }

  struct Ycc {
    float y, cb, cr;  // luma 0..1; differences 0 in the middle
  };
  // Every product is rounded by itself: a byte must not depend on the compiler.
  static OVI_PORTABLE Ycc ycc(float red, float green, float blue) {
    using portable::product;
    const Weights w = weights();
    const float r = red * 0.5f + 0.5f, g = green * 0.5f + 0.5f, b = blue * 0.5f + 0.5f;
    const float y = product(r, w.red) + product(g, w.green) + product(b, w.blue);
    return {y, product(b - y, w.cb), product(r - y, w.cr)};
  }

  OVI_PORTABLE void pack_yuv(int64_t frame, int64_t half_row, int64_t column) const {
    float cb[kColumns + 1], cr[kColumns + 1];  // sums of two rows, from one column to the left
    const int64_t size = a.height * a.width, bytes = size + size / 2;
    uint8_t* out = a.out + frame * bytes;
    const int64_t before = column > 0 ? column - 1 : 0;  // the first column is its own neighbour
    for (int i = 0; i < 2; ++i) {
      const int64_t row = 2 * half_row + i;
      float rgb[3][kColumns];
      for (int c = 0; c < 3; ++c) fetch(c, frame, row, column, rgb[c]);
      portable::Pack<uint8_t, kColumns> luma;
      for (int j = 0; j < kColumns; ++j) {
        const Ycc pixel = ycc(rgb[0][j], rgb[1][j], rgb[2][j]);
        luma.v[j] = portable::to_byte(portable::product(pixel.y, 219.0f) + 16.0f);
        cb[j + 1] = i == 0 ? pixel.cb : cb[j + 1] + pixel.cb;
        cr[j + 1] = i == 0 ? pixel.cr : cr[j + 1] + pixel.cr;
      }
      portable::store<kColumns>(out + row * a.width + column, luma);
      const Ycc left = ycc(portable::to_float(*at(0, frame, row, before)),
                           portable::to_float(*at(1, frame, row, before)),
                           portable::to_float(*at(2, frame, row, before)));
      cb[0] = i == 0 ? left.cb : cb[0] + left.cb;
      cr[0] = i == 0 ? left.cr : cr[0] + left.cr;
    }
    portable::Pack<uint8_t, 2> blue, red;
    for (int j = 0; j < 2; ++j) {
      blue.v[j] = chroma(cb + 2 * j);
      red.v[j] = chroma(cr + 2 * j);
    }
    if (a.pixels == Pixels::kNv12) {
      const portable::Pack<uint8_t, 4> both = {{blue.v[0], red.v[0], blue.v[1], red.v[1]}};
      portable::store<4>(out + size + half_row * a.width + column, both);
    } else {
      const int64_t place = half_row * (a.width / 2) + column / 2;
      portable::store<2>(out + size + place, blue);
      portable::store<2>(out + size + size / 4 + place, red);
    }
  }

  // Of the sums of two rows at the columns left of, at and right of the sample.
  static OVI_PORTABLE uint8_t chroma(const float* sums) {
    const float left = sums[0] * 0.5f, here = sums[1] * 0.5f, right = sums[2] * 0.5f;
    return portable::to_byte(here * 0.5f + (left + right) * 0.25f + 128.0f);
  }
};

}  // namespace ovi::kernels
