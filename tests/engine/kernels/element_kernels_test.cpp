// Kernels of independent elements: their GPU body, run on the host, against their twin.
// SPDX-License-Identifier: Apache-2.0
#include "compare.h"
#include "kernels/gated_add.h"

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

}  // namespace
}  // namespace ovi::kernels
