// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Before a function: compiled once for each level of vector instructions, with all that
/// it calls; the processor's own is picked when the program starts.
/// Not with ThreadSanitizer, which would watch the picking before it is there itself.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define OVI_HOST_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), flatten))
/// The same without fused multiply-add, where every rounding counts.
#define OVI_HOST_CLONES_EXACT __attribute__((target_clones("avx2", "default"), flatten))
#else
#define OVI_HOST_CLONES
#define OVI_HOST_CLONES_EXACT
#endif
