// The vocoder's activation: kernel body and twin against the definition in float64.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/snake.h"

#include <algorithm>
#include <cmath>

#include "compare.h"
#include "kernels/portable.cuh"

namespace ovi::kernels {
namespace {

using test::expect_close;
using test::normal;

// Any symmetric filter of sum 1 will do.
std::array<double, 12> made_up_taps() {
  std::array<double, 12> taps = {0.01, -0.02, -0.05, 0.06, 0.2, 0.3};
  for (int i = 0; i < 6; ++i) taps[11 - i] = taps[i];
  return taps;
}

// As section 3.2 describes it: insert zeros, filter, change, filter, drop every other.
at::Tensor by_definition(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& beta,
                         const std::array<double, 12>& taps) {
  const int64_t channels = x.size(1), length = x.size(2);
  at::Tensor out = at::empty({1, channels, length}, at::kDouble);
  const at::Tensor wide = x.to(at::kDouble).contiguous();
  for (int64_t c = 0; c < channels; ++c) {
    const double* in = wide.const_data_ptr<double>() + c * length;
    const double a = alpha[c].item<double>(), b = beta[c].item<double>();
    // Stuffed sample n is x[n / 2] for even n.
    const auto stuffed = [&](int64_t n) {
      return n % 2 ? 0.0 : in[std::clamp<int64_t>(n / 2, 0, length - 1)];
    };
    constexpr int64_t kFar = 100;  // even, so that n % 2 is that of n + kFar
    std::vector<double> changed(2 * length);
    for (int64_t n = 0; n < 2 * length; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < 12; ++k) {
        const int64_t at = n + 5 - k;  // the filter's middle lies half a sample after tap 5
        sum += 2 * taps[k] * ((at + kFar) % 2 ? 0.0 : stuffed(at));
      }
      const double sine = std::sin(a * sum);
      changed[n] = sum + sine * sine * b;
    }
    for (int64_t t = 0; t < length; ++t) {
      double sum = 0;
      for (int64_t k = 0; k < 12; ++k)
        sum += taps[k] * changed[std::clamp<int64_t>(2 * t - 5 + k, 0, 2 * length - 1)];
      out[0][c][t] = sum;
    }
  }
  return out;
}

class SnakeTest : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t>> {};

TEST_P(SnakeTest, IsItsDefinition) {
  const auto [dtype, length] = GetParam();
  const auto taps = made_up_taps();
  for (const double size : {0.0, 1.0, 50.0}) {
    const at::Tensor x = normal({1, 3, length}, dtype, size);
    const at::Tensor alpha = normal({3, 1}, at::kFloat, 0.5).exp(),
                     inverse_beta = normal({3, 1}, at::kFloat, 0.5).exp();
    const at::Tensor truth = by_definition(x, alpha, inverse_beta, taps).to(dtype);
    const at::Tensor body = host::anti_aliased_snake(x, alpha, inverse_beta, taps);
    const at::Tensor aten = twin::anti_aliased_snake(x, alpha, inverse_beta, taps);
    expect_close(body, truth, 1e-4);  // 50 alpha: the sine of a float32 product
    expect_close(aten, truth, 1e-4);
    expect_close(body, aten, size > 1 ? 1e-4 : 1e-5);
    EXPECT_TRUE(anti_aliased_snake(x, alpha, inverse_beta, taps).equal(body));
  }
}

// Shorter than the filter; around one and two of the kernel's tiles.
INSTANTIATE_TEST_SUITE_P(Lengths, SnakeTest,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values(1, 2, 3, 5, 12, 257, 510, 511, 512, 513,
                                                          514, 515, 1024, 1027, 1600)));

TEST(SinSquared, HoldsForSmallAndLargeAngles) {
  for (const double size : {1e-3, 1.0, 100.0, 1e5, 1e8}) {
    const at::Tensor x = normal({20000}, at::kFloat, size);
    for (int64_t i = 0; i < x.numel(); ++i) {
      const float angle = x.const_data_ptr<float>()[i];
      const double sine = std::sin(static_cast<double>(angle));
      ASSERT_NEAR(portable::sin_squared(angle), sine * sine, 5e-7) << angle;
    }
  }
}

}  // namespace
}  // namespace ovi::kernels
