// What lets one kernel body be compiled by nvcc for the GPU and by the C++ compiler
// for the host: element types, 16-byte loads, the few functions that differ.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp8.h>
#define OVI_PORTABLE __host__ __device__ __forceinline__
#else
#define OVI_PORTABLE inline __attribute__((always_inline))
#endif

namespace ovi::kernels {

/// Element types that cross the border between the engine and its CUDA library.
enum class Element : int32_t { kFloat, kBfloat16 };

/// bfloat16 as its bits: neither CUDA's nor LibTorch's type is known to both compilers.
struct Bfloat16 {
  uint16_t bits;
};

/// 8-bit float with 4 exponent and 3 mantissa bits, largest value 448, no infinity
/// (OCP 8-bit Floating Point Specification, revision 1.0).
struct Float8 {
  uint8_t bits;
};
inline constexpr float kFloat8Max = 448.0f;

namespace portable {

OVI_PORTABLE uint32_t bits_of(float x) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(x);
#else
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
#endif
}

OVI_PORTABLE float of_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
#endif
}

OVI_PORTABLE float to_float(float x) { return x; }
OVI_PORTABLE float to_float(Bfloat16 x) { return of_bits(static_cast<uint32_t>(x.bits) << 16); }

/// Rounds to nearest, ties to even.
template <typename T>
OVI_PORTABLE T round_to(float x);

template <>
OVI_PORTABLE float round_to<float>(float x) {
  return x;
}

template <>
OVI_PORTABLE Bfloat16 round_to<Bfloat16>(float x) {
#ifdef __CUDA_ARCH__
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#else
  const uint32_t bits = bits_of(x);
  if (x != x) return {static_cast<uint16_t>((bits >> 16) | 0x40)};  // stays a NaN
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
#endif
}

/// Saturates at +-448; a NaN stays one.
template <>
OVI_PORTABLE Float8 round_to<Float8>(float x) {
#ifdef __CUDA_ARCH__
  return {__nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3)};
#else
  const uint32_t bits = bits_of(x), sign = bits >> 24 & 0x80;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (x != x) return {static_cast<uint8_t>(sign | 0x7f)};
  const float size = of_bits(magnitude);
  if (size >= kFloat8Max) return {static_cast<uint8_t>(sign | 0x7e)};
  // Below 2^-6 the steps are 2^-9; nearbyint rounds as the hardware does.
  if (size < 0.015625f)
    return {static_cast<uint8_t>(sign | static_cast<uint32_t>(std::nearbyint(size * 512.0f)))};
  const uint32_t rounded = magnitude + 0x7ffff + (magnitude >> 20 & 1);
  return {static_cast<uint8_t>(sign | ((rounded >> 20) - (120u << 3)))};
#endif
}

/// sin(x)^2, which repeats every pi, for |x| below 10^9.
OVI_PORTABLE float sin_squared(float x) {
#ifdef __CUDA_ARCH__
  const float sine = sinf(x);
  return sine * sine;
#else
  // Without a call or a branch, so that loops are vectorised. Adding and taking away
  // 1.5 * 2^52 rounds to a whole number; float64 keeps the rest exact enough.
  constexpr double kPi = 3.141592653589793, kRound = 6755399441055744.0;
  const double turns = (static_cast<double>(x) * (1.0 / kPi) + kRound) - kRound;
  const float r = static_cast<float>(static_cast<double>(x) - turns * kPi);
  const float r2 = r * r;  // |r| <= pi / 2: the Taylor series of sin to r^13 is exact enough
  float sine = 1.0f / 6227020800.0f;
  sine = sine * r2 - 1.0f / 39916800.0f;
  sine = sine * r2 + 1.0f / 362880.0f;
  sine = sine * r2 - 1.0f / 5040.0f;
  sine = sine * r2 + 1.0f / 120.0f;
  sine = sine * r2 - 1.0f / 6.0f;
  sine = (sine * r2 + 1.0f) * r;
  return sine * sine;
#endif
}

/// 0 ... 255, rounded to nearest, ties to even; a NaN becomes 0.
OVI_PORTABLE uint8_t to_byte(float x) {
  const float above = x > 0.0f ? x : 0.0f, inside = above < 255.0f ? above : 255.0f;
  return static_cast<uint8_t>(bits_of(inside + 8388608.0f));  // + 2^23: the last bits count ones
}

/// a * b, rounded: never part of a fused multiply-add.
OVI_PORTABLE float product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

OVI_PORTABLE float sigmoid(float x) { return 1.0f / (1.0f + ::expf(-x)); }

/// Gaussian error linear unit, tanh form (Hendrycks and Gimpel 2016, section 2).
OVI_PORTABLE float gelu_tanh(float x) {
  constexpr float kRoot = 0.7978845608028654f;  // sqrt(2 / pi)
  return 0.5f * x * (1.0f + ::tanhf(kRoot * (x + 0.044715f * x * x * x)));
}

/// Neighbouring elements that are read or written at once.
template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T v[kWidth];
};

/// A GPU faults on a pack that does not lie on its own size, which the host does not mind:
/// builds with AddressSanitizer stop there, so that the tests of bodies find it. Wider packs
/// are the host's alone.
template <typename P>
OVI_PORTABLE void check_alignment(const void* at) {
#if defined(__SANITIZE_ADDRESS__) && !defined(__CUDACC__)
  if (sizeof(P) <= 16 && reinterpret_cast<uintptr_t>(at) % sizeof(P) != 0) __builtin_trap();
#else
  (void)at;
#endif
}

template <int kWidth, typename T>
OVI_PORTABLE Pack<T, kWidth> load(const T* from) {
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(Pack<T, kWidth>) == sizeof(uint4)) {
    // Spelled out: of a struct of 16-bit members nvcc makes several loads.
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    Pack<T, kWidth> pack;
    memcpy(&pack, &words, sizeof(pack));
    return pack;
  }
  return *reinterpret_cast<const Pack<T, kWidth>*>(from);
#else
  check_alignment<Pack<T, kWidth> >(from);
  Pack<T, kWidth> pack;  // the host loads from anywhere
  std::memcpy(&pack, from, sizeof(pack));
  return pack;
#endif
}

template <int kWidth, typename T>
OVI_PORTABLE void store(T* to, const Pack<T, kWidth>& pack) {
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(Pack<T, kWidth>) == sizeof(uint4)) {
    uint4 words;
    memcpy(&words, &pack, sizeof(words));
    *reinterpret_cast<uint4*>(to) = words;
    return;
  }
  *reinterpret_cast<Pack<T, kWidth>*>(to) = pack;
#else
  check_alignment<Pack<T, kWidth> >(to);
  std::memcpy(to, &pack, sizeof(pack));
#endif
}

/// Elements of T in 16 bytes: the widest load of a GPU thread.
template <typename T>
inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));

}  // namespace portable
}  // namespace ovi::kernels
