// What of an exception gets through the door.
// SPDX-License-Identifier: Apache-2.0
#include "capi/status.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "runtime/tasks.h"
#include "runtime/threads.h"

namespace {

thread_local int left = -1;  // requests of a thread that are still given to; -1: all

void* give(size_t size) {
  if (left == 0) throw std::bad_alloc();
  if (left > 0) --left;
  void* const memory = std::malloc(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

// For the whole program: what it defines comes before every library.
void* operator new(size_t size) { return give(size); }
void* operator new[](size_t size) { return give(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace ovi::capi {
namespace {

ovi_error told(const std::function<void()>& fails) {
  ovi_error error{};
  error.size = sizeof error;
  const ovi_status status = guard(&error, fails);
  EXPECT_EQ(status, error.status);
  return error;
}

bool has(const char* text, const char* part) {
  return std::string(text).find(part) != std::string::npos;
}

TEST(Status, OfOurOwnErrors) {
  const ovi_error error =
      told([] { throw Error(ErrorKind::kFormat, "It is another model's.", "tensor a"); });
  EXPECT_EQ(error.status, OVI_FORMAT);
  EXPECT_STREQ(error.message, "It is another model's.");
  EXPECT_STREQ(error.detail, "tensor a");
}

TEST(Status, OfMemoryThatEnds) {
  const std::pair<const char*, std::function<void()>> failures[] = {
      {"Out of host memory. ", [] { throw std::bad_alloc(); }},
      {"Out of host memory. ", [] { std::vector<int>().reserve(SIZE_MAX / 4); }},
      {"Out of device memory. ", [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "2 GiB wanted"); }},
      {"Out of host memory. ",
       [] { TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory"); }},
      {"Out of threads: ", [] { throw no_threads("Resource temporarily unavailable"); }},
      {"Out of threads: ",
       [] {
         throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
       }},
  };
  for (const auto& [begin, fails] : failures) {
    const ovi_error error = told(fails);
    EXPECT_EQ(error.status, OVI_NO_SPACE);
    EXPECT_TRUE(std::string(error.message).starts_with(begin)) << error.message;
  }
}

TEST(Status, OfAGpuThatFailsNamesTheWaysOut) {
  const ovi_error error = told([] {
    TORCH_CHECK(false, "CUDA error: an illegal memory access was encountered\nCUDA kernel errors");
  });
  EXPECT_EQ(error.status, OVI_FAILED);
  for (const char* part : {"The GPU failed: CUDA error: an illegal memory access was encountered.",
                           "Start the program again", "OVI_FUSED_KERNELS=0", "device=cpu"})
    EXPECT_TRUE(has(error.message, part)) << error.message;
  EXPECT_FALSE(has(error.message, "CUDA kernel errors"));
  EXPECT_TRUE(has(error.detail, "CUDA kernel errors"));
}

TEST(Status, OfAnythingElse) {
  EXPECT_TRUE(has(told([] { TORCH_CHECK(false, "shapes\ndo not fit"); }).message,
                  "inside LibTorch: shapes"));
  EXPECT_TRUE(has(told([] { throw std::runtime_error("odd"); }).message, "odd"));
  const ovi_error unknown = told([] { throw 7; });
  EXPECT_EQ(unknown.status, OVI_FAILED);
  EXPECT_STRNE(unknown.message, "");
}

TEST(Status, CutsWholeCharactersOff) {
  for (size_t before = 1010; before < 1024; ++before) {
    const std::string text = std::string(before, 'a') + "\u00e9\u72ac\U0001F600\u72ac\u72ac";
    const ovi_error error = told([&] { throw Error(ErrorKind::kFailed, text, text + text); });
    const std::string message = error.message, end = "\u2026";
    if (text.size() < sizeof error.message) {
      EXPECT_EQ(message, text);
      continue;
    }
    ASSERT_GT(message.size(), end.size());
    const std::string kept = message.substr(0, message.size() - end.size());
    EXPECT_EQ(message, kept + end);
    EXPECT_EQ(text.compare(0, kept.size(), kept), 0);
    EXPECT_NE(text[kept.size()] & 0xC0, 0x80) << before;
    EXPECT_GT(message.size(), sizeof error.message - 5);
    EXPECT_EQ(error.detail, text + text);
  }
}

TEST(Status, HoldsNothingThatMovesATerminal) {
  const std::string text =
      "tensor '\x1b[31mred\x07\x7f\xc2\x9b' \xff\xe7\x8a in \u202eflip\u2066.\r\nNext\tline\u2028.";
  const ovi_error error = told([&] { throw Error(ErrorKind::kFormat, text, text); });
  EXPECT_EQ(error.message,
            std::string(
                "tensor '\\x1b[31mred\\x07\\x7f\\u009b' \uFFFD\uFFFD\uFFFD in \\u202eflip\\u2066.  "
                "Next line ."));
  EXPECT_TRUE(has(error.detail, ". \nNext line")) << error.detail;
  EXPECT_FALSE(has(error.detail, "\x1b"));
}

// Not even for the message: whatever was thrown, and whichever request is the first refused.
TEST(Status, OfMemoryThatEndsBeforeItIsTold) {
  const std::function<void()> failures[] = {
      [] { throw std::bad_alloc(); },
      [] { throw Error(ErrorKind::kFormat, std::string(500, 'm'), std::string(900, 'd')); },
      [] { TORCH_CHECK(false, "shapes do not fit"); },
      [] {
        throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
      },
      [] { throw std::runtime_error(std::string(500, 'o')); }};
  for (const auto& fails : failures) {
    int refused = 0;
    for (int given = 0;; ++given) {
      ovi_error error{};
      error.size = sizeof error;
      ovi_status status = OVI_OK;
      try {
        fails();
      } catch (...) {
        left = given;
        status = status_of_current_exception(&error);
        const bool enough = left > 0;
        left = -1;
        if (enough) break;
      }
      ++refused;
      EXPECT_EQ(error.status, status);
      if (status != OVI_NO_SPACE) continue;  // what was refused was not needed
      EXPECT_EQ(error.size, sizeof error);
      EXPECT_TRUE(std::string(error.message).starts_with("Out of host memory.") ||
                  std::string(error.message).starts_with("Out of threads"))
          << error.message;
    }
    EXPECT_GT(refused, 0);
  }
}

// Others that run already are waited for, and do it where there are any.
TEST(Status, OfMemoryThatEndsWhileThreadsStart) {
  for (int given = 0;; ++given) {
    std::atomic<int> done{0};
    bool thrown = false;
    left = given;
    try {
      run_tasks(8, 4, [&](size_t) { ++done; });
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    const bool enough = left > 0;
    left = -1;
    EXPECT_EQ(done, thrown ? 0 : 8) << given;
    if (enough) break;
    EXPECT_LT(given, 100);
  }
}

TEST(Status, WritesNoMoreThanTheHostHasRoomFor) {
  EXPECT_EQ(guard(nullptr, [] { throw std::bad_alloc(); }), OVI_NO_SPACE);
  ovi_error error{};
  error.size = offsetof(ovi_error, message);
  EXPECT_EQ(guard(&error, [] { throw std::bad_alloc(); }), OVI_NO_SPACE);
  EXPECT_EQ(error.size, offsetof(ovi_error, message));
  EXPECT_EQ(error.status, OVI_NO_SPACE);
  EXPECT_STREQ(error.message, "");
}

}  // namespace
}  // namespace ovi::capi
