// One NaN or Inf among many values is seen wherever it stands, and numbers are numbers however
// large. SPDX-License-Identifier: Apache-2.0
#include "weights/numbers.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "../memory_source.h"
#include "runtime/error.h"
#include "weights/part_tensors.h"

namespace ovi {
namespace {

struct Type {
  at::ScalarType dtype;
  double largest, smallest;
  bool has_inf;
};
const Type kTypes[] = {
    {at::kDouble, std::numeric_limits<double>::max(), 5e-324, true},
    {at::kFloat, std::numeric_limits<float>::max(), 1.5e-45, true},
    {at::kBFloat16, 3.3895313892515355e38, 1e-40, true},
    {at::kHalf, 65504, 6e-8, true},
    {at::kFloat8_e5m2, 57344, 1.6e-5, true},
    {at::kFloat8_e4m3fn, 448, 0.002, false},
    {at::kFloat8_e4m3fnuz, 240, 0.001, false},
    {at::kFloat8_e5m2fnuz, 57344, 1e-5, false},
};

TEST(Numbers, AreSeenToBeSuch) {
  for (const Type& type : kTypes) {
    for (const double value : {0.0, -0.0, 1.0, type.largest, -type.largest, type.smallest}) {
      const at::Tensor x = at::full({1001}, value, at::kDouble).to(type.dtype);
      EXPECT_TRUE(holds_numbers(x)) << type.dtype << ' ' << value;
    }
    EXPECT_TRUE(holds_numbers(at::randn({4099}, at::kDouble).to(type.dtype))) << type.dtype;
    EXPECT_TRUE(holds_numbers(at::ones({0}, at::kDouble).to(type.dtype)));
  }
  for (const at::ScalarType dtype : {at::kByte, at::kLong, at::kBool}) {
    EXPECT_TRUE(holds_numbers(at::full({9}, 255, at::kLong).to(dtype))) << dtype;
  }
}

TEST(Numbers, LackOneWhereverItStands) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const Type& type : kTypes) {
    for (const int64_t size : {1, 2, 3, 7, 8, 9, 4095, 4096, 4097, 70'001, 1'500'000}) {
      const at::Tensor x = at::full({size}, type.largest, at::kDouble).to(type.dtype);
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), inf, -inf}) {
        if (!type.has_inf && !std::isnan(bad)) continue;
        for (const int64_t at : {int64_t{0}, size / 3, size / 2, size - 1}) {
          at::Tensor spoilt = x.clone();
          spoilt.narrow(0, at, 1).copy_(at::full({1}, bad, at::kDouble).to(type.dtype));
          EXPECT_FALSE(holds_numbers(spoilt)) << type.dtype << size << ' ' << bad << ' ' << at;
          EXPECT_FALSE(holds_numbers_in_parallel(spoilt)) << type.dtype << size << bad << at;
        }
      }
      EXPECT_TRUE(holds_numbers_in_parallel(x)) << type.dtype << size;
    }
  }
}

std::string refusal(const PartTensors& part, const std::string& name, const at::Tensor& values) {
  try {
    part.require_numbers(name, values);
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kFormat));
    return error.what();
  }
  return {};
}

TEST(Numbers, ThatAPrecisionCannotHoldNameIt) {
  const at::Tensor large = at::full({5}, std::numeric_limits<float>::max(), at::kFloat);
  at::Tensor none = at::ones({5});
  none[4] = std::numeric_limits<float>::infinity();
  const PartTensors part(std::make_shared<test::MemorySource>(
                             std::map<std::string, at::Tensor>{{"large", large}, {"none", none}}),
                         "the vocoder");
  EXPECT_EQ(refusal(part, "large", large), "");
  const std::string rounded = refusal(part, "large", large.to(at::kBFloat16));
  EXPECT_NE(rounded.find("too large for BFloat16. Set precision=fp32"), rounded.npos) << rounded;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const std::string message = refusal(part, "none", none.to(dtype));
    EXPECT_EQ(message,
              "Tensor 'none' of 'made-up.safetensors', which the vocoder needs, holds NaN or Inf. "
              "Download the file again.");
  }
}

}  // namespace
}  // namespace ovi
