// A floating number is NaN or Inf where all bits of its exponent are set. Without the other bits,
// one more at the exponent's last place then carries into the sign's place, and into no other
// value's: so values are looked at eight bytes at a time, whatever their size.
// SPDX-License-Identifier: Apache-2.0
#include "weights/numbers.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>

namespace ovi {
namespace {

constexpr int64_t kWord = sizeof(uint64_t);
constexpr int64_t kBlock = int64_t{1} << 9;   // words that are looked at before the next look
constexpr int64_t kATask = int64_t{1} << 20;  // bytes

/// Of one value, repeated over a word.
struct Bits {
  uint64_t exponent, last_of_exponent, sign;
};

constexpr uint64_t repeated(uint64_t value, int bits) {
  uint64_t word = 0;
  for (int at = 0; at < 64; at += bits) word |= value << at;
  return word;
}
constexpr Bits bits_of(uint64_t exponent, uint64_t last, uint64_t sign, int bits) {
  return {repeated(exponent, bits), repeated(last, bits), repeated(sign, bits)};
}

/// Nothing for types that know only numbers, and for those that are seldom met.
std::optional<Bits> bits_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return bits_of(0x7FF0'0000'0000'0000, 0x0010'0000'0000'0000, 0x8000'0000'0000'0000, 64);
    case at::kFloat:
      return bits_of(0x7F80'0000, 0x0080'0000, 0x8000'0000, 32);
    case at::kBFloat16:
      return bits_of(0x7F80, 0x0080, 0x8000, 16);
    case at::kHalf:
      return bits_of(0x7C00, 0x0400, 0x8000, 16);
    case at::kFloat8_e5m2:
      return bits_of(0x7C, 0x04, 0x80, 8);
    case at::kFloat8_e4m3fn:  // NaN is all bits, and there is no Inf
      return bits_of(0x7F, 0x01, 0x80, 8);
    default:
      return std::nullopt;
  }
}

uint64_t word_at(const uint8_t* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

bool only_numbers(const uint8_t* bytes, int64_t size, const Bits& bits) {
  int64_t left = size / kWord;
  for (; left > 0; left -= kBlock) {
    uint64_t carried = 0;
    const int64_t words = std::min(left, kBlock);
    for (int64_t i = 0; i < words; ++i) {
      carried |= (word_at(bytes + i * kWord) & bits.exponent) + bits.last_of_exponent;
    }
    if (carried & bits.sign) return false;
    bytes += words * kWord;
  }
  uint64_t last = 0;
  std::memcpy(&last, bytes, static_cast<size_t>(size % kWord));
  return !(((last & bits.exponent) + bits.last_of_exponent) & bits.sign);
}

}  // namespace

bool holds_numbers(const at::Tensor& values) {
  const std::optional<Bits> bits = bits_of(values.scalar_type());
  if (values.numel() == 0) return true;
  if (!bits) {
    return !c10::isFloatingType(values.scalar_type()) || holds_numbers(values.to(at::kFloat));
  }
  return only_numbers(static_cast<const uint8_t*>(values.const_data_ptr()),
                      static_cast<int64_t>(values.nbytes()), *bits);
}

bool holds_numbers_in_parallel(const at::Tensor& values) {
  const auto size = static_cast<int64_t>(values.nbytes());
  const std::optional<Bits> bits = bits_of(values.scalar_type());
  if (!bits || size <= kATask) return holds_numbers(values);
  const auto* bytes = static_cast<const uint8_t*>(values.const_data_ptr());
  std::atomic<bool> numbers{true};
  at::parallel_for(0, (size + kATask - 1) / kATask, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kATask, end = std::min(last * kATask, size);
    if (!only_numbers(bytes + begin, end - begin, *bits)) numbers = false;
  });
  return numbers;
}

}  // namespace ovi
