// What of an exception gets through the door.
// SPDX-License-Identifier: Apache-2.0
#include "capi/status.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/error.h"
#include "runtime/threads.h"

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
            std::string("tensor '\\x1b[31mred\\x07\\x7f\\u009b' \uFFFD\uFFFD\uFFFD in \\u202eflip\\u2066.  "
                        "Next line ."));
  EXPECT_TRUE(has(error.detail, ". \nNext line")) << error.detail;
  EXPECT_FALSE(has(error.detail, "\x1b"));
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
