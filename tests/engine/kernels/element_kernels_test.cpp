// Kernels of independent elements: their GPU body, run on the host, against their twin.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros_like.h>

#include "compare.h"
#include "kernels/gated_add.h"
#include "kernels/linear_combination.h"
#include "runtime/error.h"

namespace ovi::kernels {
namespace {

using test::expect_close;
using test::misaligned;
using test::normal;

class GatedAddTest : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t, int64_t>> {};

TEST_P(GatedAddTest, AddsByTimeRow) {
  const auto [dtype, rows, dim] = GetParam();
  for (const double size : {1e-10, 1.0, 1e10}) {
    const at::Tensor x = normal({rows, dim}, dtype, size), y = normal({rows, dim}, dtype, size);
    for (const int64_t time_rows : {0, 1, 2}) {
      const at::Tensor gate =
          time_rows ? normal({time_rows, 6, dim}, dtype).select(1, 2) : at::Tensor();
      for (const int64_t first : {int64_t{0}, rows / 2, rows}) {
        at::Tensor expected = x.clone(), got = x.clone(), odd = misaligned(x), chosen = x.clone();
        twin::add_gated_(expected, y, gate, {first});
        host::add_gated_(got, y, gate, {first});
        host::add_gated_(odd, y, gate, {first});
        add_gated_(chosen, y, gate, {first});
        expect_close(got, expected);
        EXPECT_TRUE(odd.equal(got));
        EXPECT_TRUE(chosen.equal(expected));
        for (const int64_t row : {int64_t{0}, rows - 1}) {
          const int64_t time = row < first ? 0 : time_rows - 1;
          at::Tensor truth = y[row].to(at::kDouble);
          if (time_rows) truth = truth * gate[time].to(at::kDouble);
          expect_close(got[row], (x[row].to(at::kDouble) + truth).to(dtype));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GatedAddTest,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values(1, 2, 19),
                                          testing::Values(1, 7, 8, 24, 132, 3072)));

TEST(LinearCombination, IsTheWeightedSum) {
  for (const int64_t count : {1, 3, 4, 5, 63, 1000, 4099}) {
    std::vector<Term> terms;
    at::Tensor truth = at::zeros_like(normal({count}, at::kDouble));
    for (const double weight : {1.5, -0.25, 1e-6, 1e6, 0.0, -1.0}) {
      SCOPED_TRACE(terms.size());
      terms.push_back({weight, normal({count}, at::kFloat, weight > 1e3 ? 1e-3 : 10)});
      truth = truth + terms.back().tensor.to(at::kDouble) * weight;
      const at::Tensor expected = twin::linear_combination(terms);
      at::Tensor got = at::zeros_like(expected), odd = misaligned(expected);
      host::linear_combination(terms, got);
      host::linear_combination(terms, odd);
      expect_close(got, expected);
      expect_close(got, truth.to(at::kFloat));
      EXPECT_TRUE(odd.equal(got));
      EXPECT_TRUE(linear_combination(terms).equal(expected));
    }
    // In place of one of its terms.
    const at::Tensor expected = twin::linear_combination(terms);
    host::linear_combination(terms, terms[2].tensor);
    expect_close(terms[2].tensor, expected);
  }
}

TEST(LinearCombination, RefusesWhatDoesNotFit) {
  const at::Tensor x = normal({4, 6}, at::kFloat);
  const auto refuses = [](const std::vector<Term>& terms) {
    try {
      linear_combination(terms);
      return false;
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kFailed;
    }
  };
  EXPECT_FALSE(refuses({{1, x}}));
  EXPECT_TRUE(refuses({}));
  EXPECT_TRUE(refuses(std::vector<Term>(7, {1, x})));
  EXPECT_TRUE(refuses({{1, x}, {1, normal({6, 4}, at::kFloat)}}));
  EXPECT_TRUE(refuses({{1, x}, {1, x.to(at::kBFloat16)}}));
  EXPECT_TRUE(refuses({{1, x}, {1, normal({6, 4}, at::kFloat).t()}}));
}

}  // namespace
}  // namespace ovi::kernels
