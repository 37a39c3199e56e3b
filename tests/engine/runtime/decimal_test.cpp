// SPDX-License-Identifier: Apache-2.0
#include "runtime/decimal.h"

#include <gtest/gtest.h>

#include <limits>

namespace ovi {
namespace {

TEST(Decimal, HasAsManyDigitsAsAreAskedFor) {
  EXPECT_EQ(decimal(1.5), "1.5");
  EXPECT_EQ(decimal(-0.01), "-0.01");
  EXPECT_EQ(decimal(100), "100");
  EXPECT_EQ(decimal(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(decimal(std::numeric_limits<double>::lowest()), "-1.7976931348623157e+308");
  EXPECT_EQ(decimal(5.039, 2), "5.04");
  EXPECT_EQ(decimal(7, 1), "7.0");
  EXPECT_EQ(decimal(std::numeric_limits<double>::lowest(), 40).size(), 1 + 309 + 1 + 40);
  EXPECT_EQ(significant(0.5, 2), "0.5");
  EXPECT_EQ(significant(0.3391, 2), "0.34");
  EXPECT_EQ(significant(1.2e-9, 2), "1.2e-09");
}

}  // namespace
}  // namespace ovi
