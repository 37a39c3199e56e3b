// GCC and clang say in words of their own that a sanitizer is at work.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OVI_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define OVI_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(OVI_ADDRESS_SANITIZER)
#define OVI_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(OVI_THREAD_SANITIZER)
#define OVI_THREAD_SANITIZER 1
#endif
