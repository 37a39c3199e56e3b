// Attention and pictures divided over ranks, against the whole.
// SPDX-License-Identifier: Apache-2.0
#include "parallel/sequence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <vector>

#include "../models/case_data.h"
#include "nn/attention.h"
#include "nn/sequence_attention.h"
#include "parallel/columns.h"
#include "thread_group.h"

namespace ovi {
namespace {

using parallel::Group;
using parallel::Sequence;
using parallel::Share;
using test::on_ranks;
using testing::max_difference;
using testing::seeded_normal;

struct Extent {
  int64_t ranks, tokens, heads, dim;
};
// Ranks that divide neither tokens nor heads; more ranks than heads; one token a rank.
const std::vector<Extent> kExtents = {{2, 18, 2, 24},  {3, 17, 2, 24}, {4, 19, 24, 16},
                                      {6, 8, 4, 32},   {8, 8, 24, 8},  {5, 33, 24, 8},
                                      {3, 100, 3, 128}};

std::string name_of(const Extent& e) {
  return std::to_string(e.ranks) + " ranks, " + std::to_string(e.tokens) + " tokens, " +
         std::to_string(e.heads) + " heads";
}

TEST(Shares, AreRunsThatDifferByOneAtMost) {
  const auto runs = parallel::shares(17, 5);
  ASSERT_EQ(runs.size(), 5u);
  int64_t next = 0;
  for (const Share& run : runs) {
    EXPECT_EQ(run.first, next);
    EXPECT_TRUE(run.count == 3 || run.count == 4);
    next = run.end();
  }
  EXPECT_EQ(next, 17);
  EXPECT_EQ(parallel::shares(2, 4)[3].count, 0);
}

TEST(SelfAttention, OfRanksIsThatOfOneBitByBit) {
  for (const Extent& e : kExtents) {
    SCOPED_TRACE(name_of(e));
    const std::vector<int64_t> shape = {e.tokens, e.heads, e.dim};
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor q = seeded_normal(shape, 1).to(dtype), k = seeded_normal(shape, 2).to(dtype),
                       v = seeded_normal(shape, 3).to(dtype);
      const at::Tensor whole = nn::attention(q, k, v);
      std::vector<at::Tensor> parts(e.ranks);
      std::vector<int64_t> bytes(e.ranks);
      on_ranks(e.ranks, [&](const std::shared_ptr<Group>& group) {
        const Sequence sequence(group, e.tokens);
        const auto own = [&](const at::Tensor& x) { return sequence.own_rows(x); };
        parts[group->rank()] = nn::self_attention(own(q), own(k), own(v), sequence);
        bytes[group->rank()] = group->bytes_sent();
      });
      EXPECT_TRUE(at::cat(parts).equal(whole));
      const auto rows = parallel::shares(e.tokens, e.ranks),
                 heads = parallel::shares(e.heads, e.ranks);
      for (int64_t r = 0; r < e.ranks; ++r) {
        EXPECT_EQ(bytes[r], (3 * rows[r].count * (e.heads - heads[r].count) +
                             heads[r].count * (e.tokens - rows[r].count)) *
                                e.dim * static_cast<int64_t>(q.element_size()));
      }
    }
  }
}

TEST(AttentionOver, MergesWhatRanksSeeOfTheirKeys) {
  for (const Extent& e : kExtents) {
    SCOPED_TRACE(name_of(e));
    constexpr int64_t kQueries = 7;
    // Scores of some size, so that the ranks' softmaxes weigh very unlike.
    const at::Tensor q = seeded_normal({kQueries, e.heads, e.dim}, 4) * 3,
                     k = seeded_normal({e.tokens, e.heads, e.dim}, 5) * 3,
                     v = seeded_normal({e.tokens, e.heads, e.dim}, 6);
    const at::Tensor whole = nn::attention(q, k, v);
    std::vector<at::Tensor> made(e.ranks), coarse(e.ranks);
    std::vector<int64_t> bytes(e.ranks);
    on_ranks(e.ranks, [&](const std::shared_ptr<Group>& group) {
      const Sequence keys(group, e.tokens);
      const auto own = [&](const at::Tensor& x) { return keys.own_rows(x); };
      made[group->rank()] = nn::attention_over(q, own(k), own(v), keys);
      bytes[group->rank()] = group->bytes_sent();
      const auto b = [](const at::Tensor& x) { return x.to(at::kBFloat16); };
      coarse[group->rank()] = nn::attention_over(b(q), b(own(k)), b(own(v)), keys);
    });
    for (int64_t r = 0; r < e.ranks; ++r) {
      EXPECT_LT(max_difference(made[r], whole), 2e-5);  // scores are near 40
      EXPECT_TRUE(made[r].equal(made[0])) << "ranks disagree";
      EXPECT_EQ(coarse[r].scalar_type(), at::kBFloat16);
      EXPECT_LT(max_difference(coarse[r].to(at::kFloat), whole), 0.3);  // q and k are rounded too
      EXPECT_EQ(bytes[r], (e.ranks - 1) * kQueries * e.heads * (e.dim + 1) * 4);
    }
  }
}

// What merges is the sum itself, and by any kernel the same.
TEST(PartialAttention, SaysTheLogarithmOfItsSum) {
  const at::Tensor q = seeded_normal({5, 2, 16}, 7), k = seeded_normal({9, 2, 16}, 8),
                   v = seeded_normal({9, 2, 16}, 9);
  const nn::PartialAttention part = nn::partial_attention(q, k, v);
  const at::Tensor scores = q.transpose(0, 1).matmul(k.permute({1, 2, 0})) / 4.0;
  EXPECT_LT(max_difference(part.log_sum, scores.logsumexp(-1)), 1e-5);
  EXPECT_LT(max_difference(part.out, nn::attention(q, k, v)), 1e-6);
}

TEST(Columns, LendEachOtherTheirEdges) {
  for (const auto& [ranks, width] : {std::pair<int64_t, int64_t>{2, 5}, {3, 7}, {4, 4}}) {
    constexpr int64_t kScale = 2;  // pixels a latent
    const at::Tensor x =
        at::arange(2 * 3 * width * kScale * 4, at::kFloat).view({2, 3, width * kScale, 4});
    std::vector<at::Tensor> seen(ranks), collected(ranks);
    on_ranks(ranks, [&, width = width](const std::shared_ptr<Group>& group) {
      const parallel::Columns columns(group, width);
      const at::Tensor own = columns.own(x);
      const at::Tensor wide = columns.with_neighbours(own);
      seen[group->rank()] = wide;
      EXPECT_TRUE(columns.without_neighbours(wide).equal(own));
      collected[group->rank()] = columns.collect(own);
    });
    const auto shares = parallel::shares(width, ranks);
    for (int64_t r = 0; r < ranks; ++r) {
      const int64_t first = std::max<int64_t>(shares[r].first * kScale - 1, 0);
      const int64_t end = std::min(shares[r].end() * kScale + 1, width * kScale);
      EXPECT_TRUE(seen[r].equal(x.narrow(2, first, end - first))) << r << " of " << ranks;
      EXPECT_EQ(collected[r].defined(), r == 0);
    }
    EXPECT_TRUE(collected[0].equal(x));
  }
}

}  // namespace
}  // namespace ovi
