// SPDX-License-Identifier: Apache-2.0
#include "runtime/dtype_name.h"

#include <gtest/gtest.h>

namespace ovi {
namespace {

TEST(DtypeName, IsWhatUsersCallIt) {
  EXPECT_EQ(dtype_name(at::kBFloat16), "bf16");
  EXPECT_EQ(dtype_name(at::kFloat8_e5m2), "fp8 (e5m2)");
  EXPECT_EQ(dtype_name(at::kChar), "int8");
  EXPECT_EQ(dtype_name(at::kLong), "Long");
}

TEST(DtypeName, TheLargestShareComesFirst) {
  EXPECT_EQ(dtype_names({{at::kFloat, 5}, {at::kBFloat16, 70}, {at::kFloat8_e4m3fn, 700}}),
            "fp8 (e4m3), bf16, fp32");
  EXPECT_EQ(dtype_names({{at::kFloat, 5}, {at::kHalf, 5}}), "fp16, fp32");
  EXPECT_EQ(dtype_names({}), "");
}

}  // namespace
}  // namespace ovi
